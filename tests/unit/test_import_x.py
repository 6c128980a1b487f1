from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.resolve.lexicon import Lexicon
from streams.imports.delays import Delays
from streams.imports.run import run_import
from streams.imports.tickers import ticker_token
from streams.imports.x_mentions import XMentions
from tests.helpers.imports import T0_S, imported, records, refused, rejected, table

T0 = T0_S // 60
MINUTE = 60_000


def minute(t: int = 0, coin: str = "DOGE", tweets: int = 1, users: int | None = None) -> Any:
    return {"t": T0 + t, "coin": coin, "tweets": tweets, "users": users or tweets}


def test_a_minute_becomes_as_many_mentions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "a.parquet", [minute(0, tweets=5, users=3), minute(2, "PEPE")])
    done = imported(capsys, "x-mentions", path, "--out", tmp_path / "o")
    *mentions, end = records(tmp_path / "o")
    assert Counter(tuple(m["tokens"]) for m in mentions) == {
        (ticker_token("DOGE"),): 5,
        (ticker_token("PEPE"),): 1,
    }
    assert len({m["author_id"] for m in mentions}) == 4
    assert {m["platform"] for m in mentions} == {"x"}
    for m in mentions:  # 20 s are more than a bar waits: as of a polled source
        assert m["ts_event_ms"] == m["ts_log_ms"] == m["ts_post_ms"] + 20_000
    assert [m["ts_post_ms"] // MINUTE - T0 for m in mentions] == [0, 0, 0, 0, 0, 2]
    assert end["type"] == "heartbeat"
    assert done["latency"]["mentions"] == {"delay_ms": 20_000, "event_time": "arrival"}
    assert done["usd_rate"] is None


def test_a_short_delay_keeps_the_posts_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "a.csv", [minute()])
    args = ("x-mentions", path, "--out", tmp_path / "o", "--latency", "mentions=2s")
    imported(capsys, *args)
    first = records(tmp_path / "o")[0]
    assert first["ts_log_ms"] == first["ts_event_ms"] + 2_000 and "ts_post_ms" not in first


minutes = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(["DOGE", "PEPE", "$$$", "金狗"]),
        st.integers(1, 40),
        st.floats(0, 1),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda row: row[:2],
)


@given(rows=minutes, in_order=st.booleans())
@settings(max_examples=25, deadline=None)
def test_mentions_are_as_many_as_tweets_and_authors_as_users(
    rows: list[tuple[int, str, int, float]], in_order: bool, tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("x")
    given = [(t, c, n, 1 + int(part * (n - 1))) for t, c, n, part in rows]
    given = sorted(given) if in_order else given
    path = table(folder / "a.parquet", [minute(*row) for row in given])
    run_import(XMentions(path, Delays()), folder / "o")
    *mentions, _ = records(folder / "o")
    times = [m["ts_log_ms"] for m in mentions]
    assert times == sorted(times)
    assert len({m["id"] for m in mentions}) == len(mentions)
    key = [(m["ts_post_ms"] // MINUTE - T0, m["tokens"][0]) for m in mentions]
    authors = {(k, m["author_id"]) for k, m in zip(key, mentions, strict=True)}
    assert Counter(key) == {(t, ticker_token(c)): n for t, c, n, _ in given}
    assert Counter(k for k, _ in authors) == {(t, ticker_token(c)): u for t, c, _, u in given}


def test_posts_do_not_depend_on_the_rows_around_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [minute(t, coin, 7, 4) for t in range(90) for coin in ("A", "B", "C")]
    seen = []
    for k, part in enumerate((rows, rows[::-1], rows[3:])):
        path = table(tmp_path / f"{k}.parquet", part)
        imported(capsys, "x-mentions", path, "--out", tmp_path / str(k))
        found = records(tmp_path / str(k))[:-1]
        seen.append(sorted((m["id"], m["ts_post_ms"], m["author_id"]) for m in found))
    assert seen[0] == seen[1]
    assert [m for m in seen[0] if int(m[0].split(":")[2]) > T0] == seen[2]


def test_posts_are_spread_evenly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path / "a.parquet", [minute(t, tweets=60) for t in range(100)])
    imported(capsys, "x-mentions", path, "--out", tmp_path / "o")
    posts = [m["ts_post_ms"] % MINUTE for m in records(tmp_path / "o")[:-1]]
    bars = Counter(ms // 5_000 for ms in posts)
    assert len(bars) == 12 and len(posts) == 6_000
    assert max(bars.values()) < 600 and min(bars.values()) > 400  # 500, and 4.6 deviations


def test_a_row_may_count_several_minutes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [minute(5 * t, coin, n) for t in range(60) for coin, n in (("A", 60), ("B", 1))]
    args = ("--minutes", 5, "--latency", "mentions=0")
    done = imported(
        capsys, "x-mentions", table(tmp_path / "a.parquet", rows), "--out", tmp_path / "o", *args
    )
    *mentions, _ = records(tmp_path / "o")
    assert done["rows"]["rejected"] == {}
    posts = {
        coin: [m["ts_event_ms"] - T0 * MINUTE for m in mentions if m["id"].startswith(f"x:{coin}:")]
        for coin in "AB"
    }
    for each, n in (("A", 60), ("B", 1)):
        assert Counter(ms // (5 * MINUTE) for ms in posts[each]) == dict.fromkeys(range(60), n)
    within = Counter(ms // MINUTE % 5 for ms in posts["A"])  # 720, and 4.6 deviations
    assert len(within) == 5 and max(within.values()) < 830 and min(within.values()) > 610
    assert len({ms // MINUTE % 5 for ms in posts["B"]}) == 5  # not all in the first
    assert len({m["author_id"] for m in mentions}) == len(mentions)
    assert "a row's posts are spread over its 5 minutes" in " ".join(done["assumptions"])


@pytest.mark.parametrize("minutes", [-1, 0, 1_441])
def test_rows_of_no_minutes_or_of_days_are_refused(
    minutes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "a.csv", [minute()])
    said = refused(capsys, "x-mentions", path, "--out", tmp_path / "o", "--minutes", minutes)
    assert f"--minutes is {minutes}" in said
    assert not (tmp_path / "o").exists()


def test_a_busy_minute_is_cut_only_between_minutes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [minute(t, coin, 9) for t in range(5) for coin in "ABCD"]
    path = table(tmp_path / "a.parquet", rows)
    imported(capsys, "x-mentions", path, "--out", tmp_path / "o")
    for size in (1, 36, 50, 100):
        monkeypatch.setattr("streams.imports.x_mentions.SLICE_MENTIONS", size)
        imported(capsys, "x-mentions", path, "--out", tmp_path / str(size))
        assert records(tmp_path / str(size)) == records(tmp_path / "o")


def test_bad_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        minute(0, tweets=2), minute(0, tweets=2), minute(1, tweets=2, users=3),
        minute(2, tweets=0, users=1), minute(3, tweets=100_001), minute(4, coin=" "),
        minute(T0 * 59, "A"), minute(5, tweets=-1, users=-1),
    ]  # fmt: skip
    path = table(tmp_path / "a.parquet", rows)
    done = imported(capsys, "x-mentions", path, "--out", tmp_path / "o")
    assert done["records"] == {"heartbeat": 1, "mention": 2}
    assert done["rows"] == {
        "read": 8,
        "used": 1,
        "rejected": {"bad_coin": 1, "bad_number": 4, "bad_time": 1, "duplicate": 1},
        "notes": {},
    }
    unit = next(line for line in rejected(tmp_path / "o") if line["reason"] == "bad_time")
    assert "look like seconds" in unit["remedy"]


def test_seconds_for_minutes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path / "a.parquet", [minute(T0 * 59 + i) for i in range(2_000)])
    said = refused(capsys, "x-mentions", path, "--out", tmp_path / "o")
    assert (
        "none of the first 2,000 rows" in said and "write minutes: these look like seconds" in said
    )


def test_the_lexicon_holds_the_coins_of_rows_that_were_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # `goldendog replay --lexicon` refused what an import had written: symbol: is empty
    coins = ("WIF", "", "W" * 200, "$", "\u200b", "$PEPE")
    rows = [minute(i, coin) for i, coin in enumerate(coins)]
    rows.append({**minute(9, "LATE"), "tweets": 0})
    path = table(tmp_path / "a.parquet", rows)
    done = imported(capsys, "x-mentions", path, "--out", tmp_path / "o")
    assert done["rows"]["rejected"] == {"bad_coin": 4, "bad_number": 1}
    lexicon = Lexicon.parse(Path(done["lexicon"]).read_bytes())
    assert set(lexicon.symbols().values()) == {"WIF", "PEPE"}
    assert set(lexicon.symbols()) == {ticker_token("WIF"), ticker_token("$PEPE")}
