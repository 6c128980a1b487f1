"""A run whose clock falls, and topics that hold what belongs into others."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import msgspec
import numpy as np
import pytest

from schemas.decode import encode_record
from schemas.errors import StateError
from schemas.records import Control, DeadLetter, Gauge, Mention, Record, Tick, TokenInfo
from schemas.topics import DEAD_LETTERS, MENTIONS, RESOLVED, TICKS, TOKEN_INFO
from streams import embedded
from streams.embedded import EmbeddedOptions, run_embedded
from streams.log.base import Item
from streams.metrics.metrics import Metrics
from streams.replay.api import replay
from streams.run.doors import observe
from tests.helpers.logs import SETTINGS, T0, TOKENS
from tests.helpers.models import crowd_model
from tests.helpers.pump import Pump, make_team, open_log

HOUR_MS = 3_600_000
ONE_OF_EACH: dict[str, Record] = {
    MENTIONS: Mention("m", T0, "x", "a", "hi", (TOKENS[0],)),
    TICKS: Tick("t", T0, TOKENS[0], 0.5, 10, "buy", "w"),
    TOKEN_INFO: TokenInfo("i", T0, TOKENS[0]),
    "gauge": Gauge("g", T0, "RedNote", "views", 1.0, cumulative=True),
    "control": Control("c", T0, T0, "engine.lateness_ms", "5"),
}


async def test_records_in_anothers_topic_are_kept_aside_and_stop_nothing(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        wrong = 0
        for topic in (MENTIONS, TICKS, TOKEN_INFO):
            for home, record in ONE_OF_EACH.items():
                await log.append(topic, 0, [Item(None, encode_record(record), T0)])
                wrong += home != topic
        await log.append(RESOLVED, 0, [Item(None, encode_record(ONE_OF_EACH[TICKS]), T0)])
        team, tally = make_team(log)
        pump = Pump(log, team, np.random.default_rng(1))
        await pump.start()
        await pump.run()
        letters = [
            msgspec.json.decode(record.value or b"", type=DeadLetter)
            for record in await log.read(DEAD_LETTERS, 0, 0)
        ]
        assert len(letters) == wrong + 1
        for letter in letters:
            topic = letter.place.rpartition("/")[0]
            expected = "wrong_shape" if letter.place.startswith(RESOLVED) else "unknown_type"
            assert letter.code == expected and letter.remedy and topic
        for topic in (MENTIONS, TICKS, TOKEN_INFO):
            counted = {outcome: n for (of, outcome), n in tally.records.items() if of == topic}
            assert counted == {"rejected": len(ONE_OF_EACH) - 1, "used": 1}


class Clock:
    """A wall clock that somebody sets."""

    def __init__(self) -> None:
        self.ms = T0

    def __call__(self) -> int:
        return self.ms


def crowd(first: int, now_ms: int) -> list[Record]:
    """A burst about one coin, of ten people."""
    found: list[Record] = []
    for i in range(first, first + 10):
        found.append(Mention(f"m{i}", now_ms, "x", f"a{i}", f"{chr(0x4E00 + i) * 5}", (TOKENS[0],)))
        found.append(Tick(f"t{i}", now_ms, TOKENS[0], 0.5, 10, "buy", f"w{i}"))
    return found


@pytest.mark.slow
async def test_a_clock_that_falls_by_an_hour_is_told_and_holds_bars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Mock()  # where logs go depends on what else this process has run
    monkeypatch.setattr(embedded, "_log", log)
    clock = Clock()
    folder = tmp_path / "data"
    options = EmbeddedOptions(
        folder, recorded_time=False, settings=SETTINGS, model=crowd_model(), clock_ms=clock
    )
    metrics = Metrics("0")
    async with run_embedded(options) as run:
        observe(metrics, run.crew, live=True)

        async def closes(ms: int) -> None:
            while run.progress().closed_ms < ms:
                await run.watch(asyncio.sleep(0.05))

        for k in range(12):
            clock.ms = T0 + 5_000 * k
            await run.append(crowd(10 * k, clock.ms))
        clock.ms = top = T0 + 120_000
        await closes(top - 10_000)
        clock.ms = top - HOUR_MS
        await asyncio.sleep(0.5)
        closed = run.progress().closed_ms
        await run.append(crowd(500, clock.ms))
        await run.append(crowd(600, top + 1_000))  # sources' clocks are right
        await asyncio.sleep(0.3)
        assert run.progress().closed_ms == closed <= top  # bars wait
        assert run.crew.tally.records["log", "clock_fell"] == 1
        page = metrics.render("")[0].decode()
        assert 'goldendog_log_clock_falls_total{topic="log"} 1.0' in page
        clock.ms = top + 30_000
        await closes(top + 20_000)  # the clock has caught up, and so have the bars
        await run.drain()
        stamps = [r.timestamp for r in await run.log.read(TICKS, 0, 0, 100_000)]
        assert stamps == sorted(stamps) and stamps[0] == T0
        # Those whose source had the fallen clock are an hour old by the log's: too late.
        of_ticks = [run.tally.records[TICKS, outcome] for outcome in ("used", "late")]
        assert of_ticks == [130, 10]
    clock.ms = top - HOUR_MS  # as it is set right while nothing runs
    async with run_embedded(options) as run:
        while not run.crew.tally.records["log", "clock_fell"]:
            await run.watch(asyncio.sleep(0.05))
    told = replay(folder, settings=SETTINGS, model=crowd_model(), out=tmp_path / "out")
    assert (told.summary["records"]["ticks"], told.summary["records"]["late"]) == (140, 20)
    warned = [call for call in log.warning.call_args_list if "the clock fell" in call.args[0]]
    assert [call.kwargs["seconds"] for call in warned] == 2 * [pytest.approx(3_600, abs=60)]


async def test_a_log_that_cannot_be_read_or_committed_to_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails between handlers is nobody's task: it must not go unseen."""
    for what in ("read", "commit"):

        async def broken(*_: object, **_options: object) -> None:
            raise StateError("the disk is gone")

        options = EmbeddedOptions(tmp_path / what, recorded_time=True, model=crowd_model())
        async with asyncio.timeout(60), run_embedded(options) as run:
            while run.why_not_ready() is not None:
                await asyncio.sleep(0.01)
            monkeypatch.setattr(run.log, what, broken)
            with suppress(StateError):  # told here, too, where the fetcher was faster
                await run.append([ONE_OF_EACH[TICKS]])
            with pytest.raises(StateError, match="the disk is gone"):
                await run.wait()
            assert run.why_not_ready() == "the worker has stopped"
