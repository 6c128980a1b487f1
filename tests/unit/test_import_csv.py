from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from detectors.resolve.lexicon import Lexicon
from schemas.tokens import SOLANA_MAINNET
from streams.imports.tickers import ticker_token
from tests.helpers.imports import MINT, T0_S, imported, records, refused, rejected

T0 = T0_S * 1000
POSTS = "tweet_id,created_at,user,body,likes\n"
POST_ARGS = (
    "--kind", "mention", "--map", "id=tweet_id", "--map", "ts_event_ms=created_at",
    "--map", "author_id=user", "--map", "text=body", "--set", "platform=x", "--time-unit", "s",
)  # fmt: skip
FILLS = "time,mint,price,usd,direction,wallet\n"
FILL_ARGS = (
    "--kind", "tick", "--map", "ts_event_ms=time", "--map", "token=mint", "--map",
    "price_usd=price", "--map", "value_usd=usd", "--map", "side=direction", "--map",
    "trader_id=wallet", "--token-as", "solana", "--time-unit", "iso",
)  # fmt: skip


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_posts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(
        tmp_path / "posts.csv",
        f'﻿{POSTS}2,{T0_S + 9.25},bob,"two\nlines, and a ""quote""",3\n1,{T0_S},alice,$WIF,0\n',
    )
    done = imported(capsys, "csv", path, "--out", tmp_path / "o", *POST_ARGS)
    first, second, end = records(tmp_path / "o")
    assert first == {
        "type": "mention", "id": "1", "ts_event_ms": T0 + 20_000, "ts_log_ms": T0 + 20_000,
        "ts_post_ms": T0, "platform": "x", "author_id": "alice", "text": "$WIF", "order": 0,
        "reach": 0,
    }  # fmt: skip
    assert second["text"] == 'two\nlines, and a "quote"'
    assert second["ts_post_ms"] == T0 + 9_250
    assert end["type"] == "heartbeat"
    assert done["rows"]["used"] == 2 and done["usd_rate"] is None and done["lexicon"] is None


def test_trades(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(
        tmp_path / "f.csv",
        f"{FILLS}2025-01-14T01:00:00+01:00,{MINT},0.10,12.5,BUY,w1\n"
        f"2025-01-14 00:00:01,{MINT},0.000000000001234567890123,5,sell,w2\n",
    )
    done = imported(capsys, "csv", path, "--out", tmp_path / "o", *FILL_ARGS)
    first, second, _ = records(tmp_path / "o")
    assert (first["ts_event_ms"], first["ts_log_ms"]) == (T0, T0 + 1_000)
    assert first["token"] == f"{SOLANA_MAINNET}/token:{MINT}"
    assert (first["id"], first["price_usd"], first["side"]) == ("f.csv:1", 0.1, "buy")
    exact = json.loads(second["record"]) if "record" in second else second
    assert float(exact["price_usd"]) == 1.234567890123e-12
    assert done["usd_rate"] == 1.0
    assert any("there is no id" in each for each in done["assumptions"])


def test_amount_rate_sides_and_tickers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(
        tmp_path / "f.csv",
        f"id;ts_event_ms;token;price_usd;amount;side;trader_id\na;{T0};$wif;0.5;8;b;w\n",
    )
    args = ("csv", path, "--out", tmp_path / "o", "--kind", "tick", "--token-as", "ticker",
            "--usd-rate", 2, "--buy", "B", "--sell", "S", "--delimiter", "semicolon")  # fmt: skip
    done = imported(capsys, *args)
    tick = records(tmp_path / "o")[0]
    assert (tick["price_usd"], tick["value_usd"], tick["usd_rate"]) == (1.0, 8.0, 2.0)
    assert tick["token"] == ticker_token("WIF") and tick["side"] == "buy"
    assert "WIF" in Path(done["lexicon"]).read_text()


def test_a_mapping_file_and_flags_over_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "p.csv", f"{POSTS}1,{T0},alice,$WIF,7\n")
    toml = written(
        tmp_path / "m.toml",
        'kind = "mention"\ntime_unit = "s"\n[map]\nid = "tweet_id"\nts_event_ms = "created_at"\n'
        'author_id = "user"\ntext = "body"\nreach = "likes"\n[set]\nplatform = "telegram"\n',
    )
    args = ("csv", path, "--out", tmp_path / "o", "--mapping", toml, "--time-unit", "ms")
    imported(capsys, *args, "--set", "platform=x", "--latency", "mentions=1s")
    post = records(tmp_path / "o")[0]
    assert (post["platform"], post["reach"], post["ts_log_ms"]) == ("x", 7, T0 + 1_000)


def test_a_log_time_of_ones_own_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "p.csv", f"{POSTS}1,{T0},alice,$WIF,{T0 + 700}\n")
    args = ("csv", path, "--out", tmp_path / "o", *POST_ARGS[:-1], "ms", "--map", "ts_log_ms=likes")
    imported(capsys, *args)
    post = records(tmp_path / "o")[0]
    assert (post["ts_event_ms"], post["ts_log_ms"]) == (T0, T0 + 700)


def test_garbage_rows_name_column_row_and_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = f"2025-01-14T00:00:00Z,{MINT},0.1,1,buy,w1\n"
    rows = [
        f"soon,{MINT},0.1,1,buy,w1", f"2025-01-14T00:00Z,{MINT}x,0.1,1,buy,w1",
        f"2025-01-14T00:00Z,{MINT},0,1,buy,w1", f"2025-01-14T00:00Z,{MINT},cheap,1,buy,w1",
        f"2025-01-14T00:00Z,{MINT},0.1,nan,buy,w1", f"2025-01-14T00:00Z,{MINT},0.1,1,hold,w1",
        f"2025-01-14T00:00Z,{MINT},0.1,1,buy,", f"1970-01-14T00:00Z,{MINT},0.1,1,buy,w1",
        f",{MINT},0.1,1,buy,w1", "cut,short", f"2025-01-14T00:00Z,{MINT},,1,buy,w1",
    ]  # fmt: skip
    text = FILLS + good + "\n".join(rows) + "\n" + good.replace("w1", "\xff")
    path = written(tmp_path / "f.csv", text.encode("latin-1"))
    done = imported(capsys, "csv", path, "--out", tmp_path / "o", *FILL_ARGS)
    assert done["records"]["tick"] == 1
    assert done["rows"]["read"] == 13 and done["rows"]["used"] == 1
    assert done["rows"]["rejected"] == {
        "bad_number": 3, "bad_side": 1, "bad_time": 2, "bad_token": 1, "columns": 1, "not_utf8": 1,
        "wrong_shape": 3,
    }  # fmt: skip
    kept = rejected(tmp_path / "o")
    assert [line["row"] for line in kept] == list(range(2, 14))
    assert kept[0]["column"] == "time" and "ISO 8601" in kept[0]["problem"]
    assert kept[2]["column"] == "price" and kept[1]["column"] == "mint"
    assert kept[5]["column"] == "direction" and "--buy" in kept[5]["remedy"]
    assert kept[10]["column"] == "price" and kept[10]["problem"] == "is empty"
    assert kept[3]["raw"]["price"] == "cheap"


def test_an_id_that_comes_again_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{i % 3},{T0_S + i},u{i},$WIF,0" for i in range(9)]
    path = written(tmp_path / "p.csv", POSTS + "\n".join(rows[::-1]))
    done = imported(capsys, "csv", path, "--out", tmp_path / "o", *POST_ARGS)
    assert [m["author_id"] for m in records(tmp_path / "o")[:-1]] == ["u6", "u7", "u8"]
    assert done["rows"]["rejected"] == {"duplicate": 6}
    assert {line["raw"]["id"] for line in rejected(tmp_path / "o")} == {"0", "1", "2"}


Args = tuple[Any, ...]


@pytest.mark.parametrize(
    ("text", "args", "said"),
    [
        (POSTS, POST_ARGS, "holds no rows"),
        ("", POST_ARGS, "is empty"),
        ("\n\n", POST_ARGS, "no column 'tweet_id'"),
        (POSTS + f"1,{T0},a,hi,0\n", POST_ARGS, "row 1, column 'created_at'"),
        (POSTS + f"1,{T0_S},a,hi,0\n", POST_ARGS[:-2], "looks like seconds"),
        (POSTS, (*POST_ARGS, "--map", "reach=fans"), "no column 'fans', which reach is mapped to"),
        (POSTS, POST_ARGS[4:], "--kind is missing"),
        (POSTS, (*POST_ARGS, "--kind", "posts"), "write mention or tick"),
        (POSTS, (*POST_ARGS, "--map", "price_usd=likes"), "a mention has no field 'price_usd'"),
        (POSTS, (*POST_ARGS, "--map", "reach"), "write it like --map id=tweet_id"),
        (POSTS, (*POST_ARGS, "--map", "id=user"), "--map names id twice"),
        (POSTS, (*POST_ARGS, "--set", "id=1"), "id has both a column and a value"),
        (POSTS, (*POST_ARGS, "--time-unit", "min"), "--time-unit is 'min'"),
        (POSTS, (*POST_ARGS, "--token-as", "mint"), "--token-as is 'mint'"),
        (POSTS, (*POST_ARGS, "--delimiter", ",,"), "--delimiter is ',,'"),
        (POSTS, (*POST_ARGS, "--mapping", "/no.toml"), "no such mapping file"),
        (POSTS.replace(",", ";"), POST_ARGS, "is ';' the --delimiter?"),
        (POSTS.replace("likes", "user"), POST_ARGS, "more than one column 'user'"),
        (POSTS, POST_ARGS[:8], "no column 'platform'"),
        (POSTS, (*POST_ARGS[:8], "--set", "platform=x"), "does not say which token"),
        (FILLS, FILL_ARGS[:8], "no column 'side'"),
        (FILLS.replace("usd", "x"), (*FILL_ARGS[:8], *FILL_ARGS[10:]), "neither value_usd nor"),
        (FILLS, (*FILL_ARGS, "--buy", "sell"), "--buy and --sell are the same"),
        (FILLS, (*FILL_ARGS, "--usd-rate", 0), "--usd-rate is 0.0"),
        (POSTS + '1,"open\n' + "x" * 1_100_000, POST_ARGS, "line 3: field larger"),
        (POSTS + "1,2\n" * 5_000, POST_ARGS, "none of the first 1,000 rows"),
    ],
)
def test_what_cannot_be_used(
    text: str, args: Args, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "a.csv", text)
    assert said in refused(capsys, "csv", path, "--out", tmp_path / "o", *args)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("kind =", "is no TOML"),
        ('columns = "x"', "'columns', which is no setting of a mapping"),
        ('map = "x"', "map is no table"),
        ("kind = 3", "kind is 3"),
        ("usd_rate = true", "usd_rate is True"),
    ],
)
def test_mapping_files_that_cannot_be_used(
    toml: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "a.csv", POSTS)
    file = written(tmp_path / "m.toml", toml)
    args = ("csv", path, "--out", tmp_path / "o", *POST_ARGS[2:], "--mapping", file)
    assert said in refused(capsys, *args)


def test_parquet_is_no_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    args = ("csv", tmp_path / "a.parquet", "--out", tmp_path / "o", *POST_ARGS)
    assert "is Parquet; write it as CSV" in refused(capsys, *args)


def test_the_lexicon_holds_the_coins_of_rows_that_were_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coins = ("$wif", "$", "W" * 33, "late", "again")
    rows = [f"{i},{T0_S},u,{coin},1" for i, coin in enumerate(coins)]
    rows[3] = f"3,{T0_S},u,late,many"
    rows[4] = f"0,{T0_S},u,again,1"
    path = written(tmp_path / "p.csv", POSTS + "\n".join(rows))
    args = ("--map", "token=body", "--map", "reach=likes", "--token-as", "ticker")
    given = (*POST_ARGS[:8], *POST_ARGS[10:], *args)
    done = imported(capsys, "csv", path, "--out", tmp_path / "o", *given)
    assert done["rows"]["rejected"] == {"bad_coin": 2, "bad_number": 1, "duplicate": 1}
    lexicon = Lexicon.parse(Path(done["lexicon"]).read_bytes())
    assert dict(lexicon.symbols()) == {ticker_token("WIF"): "WIF"}
    first = rejected(tmp_path / "o")[0]
    assert (first["column"], first["problem"]) == ("body", "'$' is no ticker")
    posts = f"1,{T0_S},u,hi,\n1,{T0_S},u,hi,again\n2,,u,hi,late\n"
    path = written(tmp_path / "q.csv", POSTS.replace("likes", "token") + posts)
    args = ("--out", tmp_path / "q", *POST_ARGS, "--token-as", "ticker")
    done = imported(capsys, "csv", path, *args)
    assert done["rows"]["used"] == 1
    assert done["lexicon"] is None


def test_an_empty_cell_is_named_by_its_own_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # it had been "Object missing required field `price_usd`", of no column
    names = ("no", "time", "mint", "price", "usd", "direction", "wallet")
    whole = ("1", "2025-01-14T00:00Z", MINT, "0.1", "1", "BUY", "w1")
    rows = [whole] + [tuple("" if k == j else v for j, v in enumerate(whole)) for k in range(7)]
    rows.append((*whole[:5], "HODL", "w1"))
    text = "\n".join(",".join(row) for row in (names, *rows))
    path = written(tmp_path / "f.csv", text)
    args = ("--map", "id=no", "--buy", "BUY", "--sell", "Sell")
    imported(capsys, "csv", path, "--out", tmp_path / "o", *FILL_ARGS, *args)
    *kept, side = rejected(tmp_path / "o")
    assert [line["column"] for line in kept] == list(names)
    assert {(line["reason"], line["problem"]) for line in kept} == {("wrong_shape", "is empty")}
    assert [line["remedy"] for line in kept] == [
        "write an id of its own", "write when it happened", "write which coin was traded",
        "write the price of one coin", "write what was paid", "write BUY or Sell",
        "write who traded",
    ]  # fmt: skip
    assert (side["reason"], side["column"]) == ("bad_side", "direction")
    assert side["problem"] == "'HODL' is neither 'BUY' nor 'Sell'"
    amount = [each.replace("value_usd", "amount") for each in FILL_ARGS]
    imported(capsys, "csv", path, "--out", tmp_path / "p", *amount, *args)
    assert rejected(tmp_path / "p")[4]["remedy"] == "write how many coins were traded"


def test_a_post_whose_author_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "p.csv", f"{POSTS}1,{T0_S},alice,$WIF,7\n2,{T0_S}, ,$WIF,7\n")
    imported(capsys, "csv", path, "--out", tmp_path / "o", *POST_ARGS)
    (line,) = rejected(tmp_path / "o")
    assert (line["column"], line["remedy"]) == ("user", "write who wrote it")
