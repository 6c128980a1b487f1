from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from tests.helpers.imports import (
    MINT,
    OTHER,
    T0_S,
    imported,
    records,
    refused,
    rejected,
    swap,
    table,
)

RATE = ("--sol-usd", 150)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_swaps_become_ticks_in_dollars_with_a_declared_delay(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / name, [swap(1, side="sell"), swap(0)])
    done = imported(capsys, "solana-swaps", path, "--out", tmp_path / "o", *RATE)
    first, second, end = records(tmp_path / "o")
    assert first == {
        "type": "tick",
        "id": first["id"],
        "ts_event_ms": T0_S * 1000,
        "ts_log_ms": T0_S * 1000 + 1_000,
        "order": 2,
        "token": f"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:{MINT}",
        "price_usd": 1e-6 * 150,
        "value_usd": 300.0,
        "side": "buy",
        "trader_id": "w0",
        "venue": "PUMP_AMM",
        "usd_rate": 150.0,
    }
    assert first["id"].startswith("solana:tx0:")
    assert (second["side"], second["order"]) == ("sell", 1)
    assert end["type"] == "heartbeat" and end["ts_log_ms"] == T0_S * 1000 + 12_000
    assert done["usd_rate"] == 150.0 and done["rows"]["used"] == 2
    assert done["latency"]["ticks"] == {"delay_ms": 1_000, "event_time": "the source's"}


def test_dust_sets_no_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        swap(0, sol=0.001, price_sol=9.0),  # nothing to carry yet
        swap(1, price_sol=2e-6),
        swap(1, sol=0.001, price_sol=9.0, tx="dust"),
        swap(1, mint=OTHER, sol=0.001, price_sol=9.0),  # no price of its own token
        swap(2, price_sol=3e-6),
        swap(3, sol=0.0499, price_sol=9.0),
        swap(4, sol=0.05, price_sol=5e-6),
        swap(5, sol=0.4, price_sol=None, side="sell"),  # an amount, no price
        swap(6, sol=0.0, price_sol=None, side="sell"),  # neither
    ]
    path = table(tmp_path / "a.parquet", rows)
    done = imported(capsys, "solana-swaps", path, "--out", tmp_path / "o", "--sol-usd", 1)
    ticks = records(tmp_path / "o")[:-1]
    assert [t["price_usd"] for t in ticks] == [2e-6, 2e-6, 3e-6, 3e-6, 5e-6, 5e-6]
    assert [t["value_usd"] for t in ticks] == [2.0, 0.001, 2.0, 0.0499, 0.05, 0.4]
    assert done["rows"]["rejected"] == {"no_price": 1}
    assert done["rows"]["notes"] == {"dust_at_last_price": 3, "dust_before_a_price": 2}


def test_dust_never_takes_a_price_from_after_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [swap(9, price_sol=9e-6), swap(0, price_sol=1e-6), swap(5, sol=0.001)]
    path = table(tmp_path / "a.parquet", rows)
    imported(capsys, "solana-swaps", path, "--out", tmp_path / "o", "--sol-usd", 1)
    assert [t["price_usd"] for t in records(tmp_path / "o")[:-1]] == [1e-6, 1e-6, 9e-6]


def test_swaps_that_are_equal_are_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [swap(0), swap(1, tx=None), swap(0), swap(1, tx=None), swap(0, sol=3.0)]
    path = table(tmp_path / "a.parquet", rows)
    done = imported(capsys, "solana-swaps", path, "--out", tmp_path / "o", *RATE)
    assert done["records"]["tick"] == 3
    assert done["rows"]["rejected"] == {"duplicate": 2}
    assert done["rows"]["used"] == 3
    kept = rejected(tmp_path / "o")
    assert [line["raw"]["ts_event_ms"] - T0_S * 1000 for line in kept] == [0, 1_000]
    assert {line["row"] for line in kept} == {None}


def test_facts_about_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path / "a.parquet", [swap(5)])
    facts = tmp_path / "t.json"
    facts.write_text(json.dumps([{"mint": MINT, "created": T0_S, "supply": 1e9, "pool": "x"}]))
    args = ("solana-swaps", path, "--out", tmp_path / "o", *RATE, "--tokens", facts)
    done = imported(capsys, *args)
    assert [s["name"] for s in done["sources"]] == ["a.parquet", "t.json"]
    info = json.loads(records(tmp_path / "o")[0]["record"])
    assert info["ts_created_ms"] == T0_S * 1000 and info["supply"]["value"] == 1e9
    facts.write_text('{"mint": 1}')
    assert "is no list of tokens" in refused(capsys, *args, "--overwrite")
    facts.write_text('[{"mint": "short", "created": 1736812800}]')
    assert "'short'" in refused(capsys, *args, "--overwrite")


def test_garbage_rows_are_kept_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        swap(0),
        swap(1, mint="nonsense"),
        swap(2, ts="never"),
        swap(3, side="hold"),
        swap(4, price_sol="cheap", sol=0.0),
        swap(5, sol=-1),
        swap(6, sol="nan"),
        swap(7, trader=None),
        swap(8, ts=T0_S * 1000),
        swap(9, price_sol=1e12),
    ]
    path = table(tmp_path / "a.csv", rows)
    with path.open("a") as file:
        file.write("cut,short\n")
    done = imported(capsys, "solana-swaps", path, "--out", tmp_path / "o", *RATE)
    assert done["records"]["tick"] == 1
    assert done["rows"]["rejected"] == {
        "bad_number": 3,
        "bad_side": 1,
        "bad_time": 2,
        "bad_token": 1,
        "bad_trader": 1,
        "columns": 1,
        "no_price": 1,
    }
    kept = rejected(tmp_path / "o")
    assert len(kept) == 10
    unit = next(line for line in kept if line["raw"].get("ts") == T0_S * 1000)
    assert unit["row"] == 9 and "look like" in unit["remedy"]
    assert done["rows"]["read"] == 11 and done["rows"]["used"] == 1


def _bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _cut(folder: Path) -> Path:
    whole = table(folder / "w.parquet", [swap(i) for i in range(99)]).read_bytes()
    return _bytes(folder / "a.parquet", whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: table(p / "a.csv", [{"mint": MINT, "ts": 1}]), "has no column 'side'"),
        (lambda p: table(p / "a.csv", [swap(0, ts=T0_S * 1000)]), "look like milliseconds"),
        (lambda p: table(p / "a.parquet", [swap(0, ts="x")]), "column 'ts' is string, not an int"),
        (lambda p: p / "missing.parquet", "no such file"),
        (lambda p: p / "missing.csv", "no such file"),
        (lambda p: p, "is a folder"),
        (lambda p: _bytes(p / "a.csv", b""), "is empty"),
        (lambda p: _bytes(p / "a.parquet", b""), "is empty"),
        (lambda p: _bytes(p / "a.parquet", b"mint,ts\n"), "holds text"),
        (lambda p: _bytes(p / "a.csv", b"PAR1\0"), "holds binary data"),
        (lambda p: _bytes(p / "a.xlsx", b"PK\3\4"), "is of no kind that is imported"),
        (_cut, "cut short"),
        (lambda p: table(p / "a.parquet", [swap(0, side="?")]), "neither buy nor"),
        (lambda p: _bytes(p / "a.csv", ",".join(swap()).encode() + b"\n"), "holds no rows"),
        (lambda p: _bytes(p / "a.csv.gz", b"\x1f\x8bnonsense"), "cannot be read: zlib"),
    ],
)
def test_files_that_cannot_be_used(
    make: object, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    assert said in refused(capsys, "solana-swaps", path, "--out", tmp_path / "o", *RATE)
    assert not (tmp_path / "o").exists()


def test_options_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path / "a.parquet", [swap(0)])
    args = ("solana-swaps", path, "--out", tmp_path / "o")
    assert "--sol-usd is missing" in refused(capsys, *args)
    assert "--sol-usd is -1" in refused(capsys, *args, "--sol-usd", -1)
    assert "--sol-usd is nan" in refused(capsys, *args, "--sol-usd", "nan")
    assert "--dust-sol is -1" in refused(capsys, *args, *RATE, "--dust-sol", -1)
    for latency, said in (
        ("ticks=soon", "no duration"),
        ("prices=1s", "'prices=1s'"),
        ("ticks", "write it like mentions=20s,ticks=1s"),
        ("ticks=1s,ticks=2s", "twice"),
        ("ticks=2d", "over a day"),
    ):
        assert said in refused(capsys, *args, *RATE, "--latency", latency)


def test_an_earlier_import_is_replaced_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "a.parquet", [swap(0)], sol=pa.float32())
    args = ("solana-swaps", path, "--out", tmp_path / "o", *RATE)
    imported(capsys, *args)
    assert "holds an earlier import; add --overwrite" in refused(capsys, *args)
    imported(capsys, *args, "--overwrite")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    said = refused(capsys, "solana-swaps", path, "--out", tmp_path / "mine", *RATE, "--overwrite")
    assert (
        "holds something that no import wrote" in said
        and (tmp_path / "mine" / "notes.txt").exists()
    )


def test_a_delay_longer_than_a_bar_waits_is_that_of_a_polled_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "a.parquet", [swap(0)])
    args = ("solana-swaps", path, "--out", tmp_path / "o", *RATE, "--latency", "ticks=30s")
    done = imported(capsys, *args)
    tick = records(tmp_path / "o")[0]
    assert tick["ts_event_ms"] == tick["ts_log_ms"] == T0_S * 1000 + 30_000
    assert done["latency"]["ticks"] == {"delay_ms": 30_000, "event_time": "arrival"}


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_a_swap_that_is_no_dust_has_a_price_or_none(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # such prices had become the last one, and were counted as dust
    wrong = [-1.0, 0.0, float("nan"), float("inf")]
    rows = [swap(0, price_sol=2e-6)]
    rows += [swap(i, sol=0.8, price_sol=price) for i, price in enumerate(wrong, 1)]
    rows += [swap(i, sol=0.001, price_sol=price) for i, price in enumerate(wrong, 5)]
    rows += [swap(9, sol=0.8, price_sol=None), swap(10, sol=0.05, price_sol=0.0)]
    if name == "a.csv":
        rows.append(swap(11, sol=0.8, price_sol="cheap"))
    path = table(tmp_path / name, rows)
    args = ("solana-swaps", path, "--out", tmp_path / "o", "--sol-usd", 1)
    done = imported(capsys, *args)
    assert [t["order"] for t in records(tmp_path / "o")[:-1]] == [1, 6, 7, 8, 9, 10]
    assert {t["price_usd"] for t in records(tmp_path / "o")[:-1]} == {2e-6}
    kept = rejected(tmp_path / "o")
    assert {(line["reason"], line["column"]) for line in kept} == {("bad_number", "price_sol")}
    assert [line["row"] for line in kept] == [2, 3, 4, 5, 11, 12][: len(kept)]
    assert done["rows"]["rejected"] == {"bad_number": len(rows) - 6}
    done = imported(capsys, *args, "--overwrite", "--dust-sol", 0.9)  # then all but one are dust
    assert done["rows"]["rejected"] == {}
