"""``goldendog dlq``: what could not be used is found, shown, and sent once more, once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from schemas.decode import encode_record
from schemas.errors import RecordError
from schemas.records import DeadLetter, Mention, Tick
from schemas.topics import DEAD_LETTERS, MENTIONS, RESOLVED, TICKS
from streams.cli.main import exit_code
from streams.log.sqlite import SqliteLog
from streams.log.sqlite_reader import open_readonly
from streams.worker.dead_letters import KEPT_BYTES, DeadLetters, Reject
from streams.worker.poison import blame
from streams.worker.tally import Tally
from tests.helpers.logs import T0, TOKENS
from tests.helpers.pump import open_log

TICK = Tick("t1", T0, TOKENS[0], "0.5", 10, "buy", "w", ts_log_ms=T0)
POST = Mention("m1", T0, "x", "a", "hi", (TOKENS[0],), ts_log_ms=T0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five letters: two that decode by now, one that does not, one cut, one of our own topic."""
    asyncio.run(fill(tmp_path))
    return tmp_path


async def fill(tmp_path: Path) -> None:
    with open_log(tmp_path, partitions=2) as log:
        dead = DeadLetters(log, Tally())
        wrong = RecordError("bad_number", "price is NaN", field="price_usd", remedy="omit it")
        await dead.put(TICKS, 1, [Reject(7, T0, blame(IndexError("x")), encode_record(TICK))])
        await dead.put(MENTIONS, 0, [Reject(3, T0, blame(IndexError("y")), encode_record(POST))])
        await dead.put(TICKS, 0, [Reject(9, T0, wrong, b'{"type":"tick"}')])
        await dead.put(TICKS, 0, [Reject(10, T0, wrong, b"x" * (KEPT_BYTES + 1))])
        await dead.put(RESOLVED, 0, [Reject(1, T0, wrong, encode_record(TICK))])
        await dead.put(TICKS, 0, [Reject(9, T0, wrong, b'{"type":"tick"}')])  # after a kill


def dlq(folder: Path, *args: str, code: int = 0) -> None:
    assert exit_code(["dlq", *args, "--data-dir", str(folder)]) == code


def ends(folder: Path) -> dict[str, int]:
    with open_readonly(folder) as log:
        return {f"{t}/{p}": log.end_offset(t, p) for t, n in log.topics().items() for p in range(n)}


def test_list_counts_and_filters(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dlq(folder, "list", "--json")
    told = json.loads(capsys.readouterr().out)
    assert [(c["topic"], c["code"], c["letters"]) for c in told["counts"]] == [
        (TICKS, "bad_number", 2),
        (TICKS, "poison", 1),
        (MENTIONS, "poison", 1),
        (RESOLVED, "bad_number", 1),
    ]
    assert [each["letter"] for each in told["letters"]] == ["0/0", "0/1", "0/2", "0/3", "0/4"]
    for args, expected in (
        (["--topic", TICKS], ["0/0", "0/2", "0/3"]),
        (["--topic", TICKS, "--code", "poison"], ["0/0"]),
        (["--limit", "1"], ["0/4"]),
        (["--limit", "0"], []),
        (["--from", "2090-01-01"], []),
        (["--to", "2090-01-01", "--code", "poison"], ["0/0", "0/1"]),
    ):
        dlq(folder, "list", "--json", *args)
        told = json.loads(capsys.readouterr().out)
        assert [each["letter"] for each in told["letters"]] == expected, args
    dlq(folder, "list")
    told = capsys.readouterr().out
    assert "        2  dex.ticks.v1  bad_number" in told and "dex.ticks.v1/1/7: a handler" in told


def test_show_by_name_and_by_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dlq(folder, "show", "0/2")
    by_name = capsys.readouterr().out
    assert "price is NaN" in by_name and "omit it" in by_name and "price_usd" in by_name
    assert '{"type":"tick"}' in by_name
    dlq(folder, "show", f"{TICKS}/0/9")
    assert capsys.readouterr().out == by_name
    dlq(folder, "show", "0/99", code=2)
    assert "there is no dead letter 0/99" in capsys.readouterr().err


def test_replay_sends_each_once_and_refuses_the_rest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ends(folder)
    dlq(folder, "replay", code=2)
    assert "it is not said which letters" in capsys.readouterr().err
    dlq(folder, "replay", "--all", "--dry-run", "--json", code=1)
    told = json.loads(capsys.readouterr().out)
    assert [each["letter"] for each in told["sent"]] == ["0/0", "0/1"]
    assert ends(folder) == before
    dlq(folder, "replay", "0/0", "--json")
    (sent,) = json.loads(capsys.readouterr().out)["sent"]
    dlq(folder, "replay", "--all", "--json", code=1)
    told = json.loads(capsys.readouterr().out)
    assert [each["letter"] for each in told["sent"]] == ["0/1"]
    assert told["sent_before"] == 1
    why = {each["letter"]: each["why"] for each in told["refused"]}
    assert set(why) == {"0/2", "0/3", "0/4"}
    assert "id" in why["0/2"]
    assert "cut to" in why["0/3"] and "goldendog itself" in why["0/4"]
    dlq(folder, "replay", "--code", "poison")
    assert capsys.readouterr().out == "0 sent, 0 refused, 2 sent before\n"
    after = ends(folder)
    grown = {place: n - before[place] for place, n in after.items() if n != before[place]}
    assert sum(grown.values()) == 4 and grown.pop(f"{DEAD_LETTERS}/0") == 2
    topic, partition, offset = sent["as"].split("/")
    with open_readonly(folder) as log:
        (again,) = log.iter_topic(topic, int(partition), int(offset))
        assert (again.value, again.key, again.timestamp) == (
            encode_record(TICK),
            TICK.token.encode(),
            T0,
        )
        marks = [
            msgspec.json.decode(r.value or b"", type=DeadLetter)
            for r in log.iter_topic(DEAD_LETTERS, 0, 6)
        ]
    assert [(m.code, m.field) for m in marks] == [("replayed", "0/0"), ("replayed", "0/1")]
    dlq(folder, "list", "--code", "poison")
    assert f"(sent again to {TICKS}/1)" in capsys.readouterr().out


def test_a_folder_in_use_is_read_and_not_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with SqliteLog(folder):
        dlq(folder, "list")
        dlq(folder, "replay", "--all", code=2)
    assert "is in use by process" in capsys.readouterr().err
    dlq(folder / "none", "list", code=2)
    assert "there is no log in" in capsys.readouterr().err
