from __future__ import annotations

from pathlib import Path

import pytest

from schemas.tokens import canonical_token
from streams.imports.tickers import ticker_token
from tests.helpers.imports import T0_S, imported, records, refused, rejected, table, trade

RATE = ("--quote-usd", 20_000)
T0 = T0_S * 1000
NAME = "APPCUSDT-trades-2025-01-14.csv"
HEAD = "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match\n"


def test_recordings_around_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [trade(5, side="sell"), trade(5, side="sell"), trade(0), trade(0, price=2e-6), trade(7)]
    path = table(tmp_path / "a.parquet", rows)
    done = imported(capsys, "binance-trades", path, "--out", tmp_path / "o", *RATE)
    *ticks, end = records(tmp_path / "o")
    assert [t["ts_event_ms"] - T0 for t in ticks] == [0, 0, 5, 5, 7]
    assert [t["id"] for t in ticks] == [f"binance:APPC_first:{i}" for i in (2, 3, 0, 1, 4)]
    assert ticks[1]["price_usd"] == 2e-6 * 20_000
    assert ticks[1]["value_usd"] == 2e-6 * 20_000 * 100
    assert ticks[0]["token"] == ticker_token("APPC") == canonical_token(ticker_token("appc"))
    assert len({t["trader_id"] for t in ticks}) == 3  # an order a millisecond and side
    assert ticks[0]["trader_id"] == ticks[1]["trader_id"]
    assert end["type"] == "heartbeat"
    assert any("no trader" in each for each in done["assumptions"])


def test_the_lexicon_names_the_coin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from detectors.resolve.lexicon import Lexicon

    rows = [
        trade(0),
        trade(1, event="NXS_b"),
        trade(2, event="$_c"),
        trade(3, event="LATE_d", price=0),
    ]
    path = table(tmp_path / "a.csv", rows)
    done = imported(capsys, "binance-trades", path, "--out", tmp_path / "o", *RATE)
    assert done["rows"]["rejected"] == {"bad_event": 1, "bad_number": 1}
    lexicon = Lexicon.parse(Path(done["lexicon"]).read_bytes())
    assert lexicon.symbols() == {ticker_token("APPC"): "APPC", ticker_token("NXS"): "NXS"}


def test_recordings_that_overlap_count_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [trade(i) for i in range(5)]
    rows += [trade(i, event="APPC_second") for i in range(3, 8)]
    rows += [trade(i, event="NXS_third") for i in range(3)]
    path = table(tmp_path / "a.parquet", rows)
    done = imported(capsys, "binance-trades", path, "--out", tmp_path / "o", *RATE)
    assert done["rows"]["rejected"] == {"overlap": 2}
    assert [r["row"] for r in rejected(tmp_path / "o")] == [6, 7]
    args = ("binance-trades", path, "--out", tmp_path / "p", *RATE, "--event")
    assert imported(capsys, *args, "APPC_second")["records"]["tick"] == 5
    assert "no event 'APPC'" in refused(capsys, *args, "APPC", "--overwrite")


@pytest.mark.parametrize("header", [HEAD, ""])
def test_binances_own_files(
    header: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / NAME
    path.write_text(
        f"{header}7,0.05,100,5,{T0}000,True,True\n8,0.06,10,0.6,{T0 + 1},False,True\n"
        f"9,0.06,10,0.6,{T0 + 2},maybe,True\n"
    )
    done = imported(capsys, "binance-trades", path, "--out", tmp_path / "o")
    first, second, _ = records(tmp_path / "o")
    assert (first["id"], first["side"], first["order"]) == ("binance:APPCUSDT:7", "sell", 7)
    assert (second["side"], second["price_usd"], second["ts_event_ms"]) == ("buy", 0.06, T0 + 1)
    assert done["usd_rate"] == 1.0 and done["rows"]["rejected"] == {"bad_side": 1}
    path = path.rename(tmp_path / "APPCBTC-trades-2025-01.csv")
    assert "price of 1 BTC" in refused(capsys, "binance-trades", path, "--out", tmp_path / "p")


def test_what_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path / "XYZ-trades-1.csv", [trade(0)])
    assert "names no market" in refused(capsys, "binance-trades", path, "--out", tmp_path / "o")
    path = table(tmp_path / NAME, [{"id": 1, "price": 2}])
    assert "no column 'qty'" in refused(capsys, "binance-trades", path, "--out", tmp_path / "o")
    path.write_text(HEAD + f"7,0.05,100,5,{T0},True,True\n")
    args = ("binance-trades", path, "--out", tmp_path / "o", "--event", "X")
    assert "--event is for files of several events" in refused(capsys, *args)
    path = table(tmp_path / "a.csv", [trade(0)])
    assert "--quote-usd is missing" in refused(capsys, *args[:1], path, *args[2:4])


def test_garbage_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        trade(0), trade(1, event="_x"), trade(2, side="?"), trade(3, price=0),
        trade(4, amount="much"), trade(0, ts_ms=T0_S),
    ]  # fmt: skip
    path = table(tmp_path / "a.csv", rows)
    done = imported(capsys, "binance-trades", path, "--out", tmp_path / "o", *RATE)
    assert done["records"]["tick"] == 1
    assert done["rows"]["rejected"] == {
        "bad_event": 1, "bad_number": 2, "bad_side": 1, "bad_time": 1,
    }  # fmt: skip
