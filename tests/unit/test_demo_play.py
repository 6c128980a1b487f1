"""A demo whose screen cannot be written any more ends with that error, and leaves its stage whole."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager

import pytest
from rich.console import Console

from schemas.records import Record
from streams.demo.board import Board
from streams.demo.play import play
from streams.demo.screen import PipeConsole, PlainScreen
from streams.demo.stage import OnAlert, Stage, T
from tests.unit.test_demo_board import MINUTE_MS, START, alert, board, tick

RECORDS = [tick(1, 0.1), tick(2, 0.2, minute=9)]


class _Stage:
    """Takes records, and tells of two alerts as soon as it has some."""

    def __init__(self, on_alert: OnAlert) -> None:
        self._on_alert = on_alert
        self.taken: list[Record] = []
        self.finished = self.left = False

    def closed_ms(self) -> int:
        return START + 9 * MINUTE_MS

    async def append(self, records: Sequence[Record]) -> None:
        self.taken += records
        for minute in (1, 1, 2):  # one of them again
            self._on_alert(alert("candidate", minute))

    async def watch(self, work: Awaitable[T]) -> T:
        return await work

    async def finish(self) -> None:
        await asyncio.sleep(0.3)
        self.finished = True


class _Screen(PlainScreen):
    """Notes alerts; fails at the place that it is told."""

    def __init__(self, fails_at: str) -> None:
        super().__init__(Console(quiet=True), board())
        self._fails_at = fails_at
        self.told: list[str] = []
        self.drawn = 0

    def alerted(self, alert: object) -> None:
        self.told.append("alert")
        if self._fails_at == "alert":
            raise BrokenPipeError("alert")

    def draw(self) -> None:
        self.drawn += 1
        if self._fails_at == "draw":
            raise BrokenPipeError("draw")


def played(screen: _Screen) -> tuple[_Stage, BaseException | None]:
    stages: list[_Stage] = []

    @asynccontextmanager
    async def opening(_: Board, on_alert: OnAlert) -> AsyncIterator[Stage]:
        stages.append(_Stage(on_alert))
        yield_to = stages[0]
        try:
            yield yield_to
        finally:
            yield_to.left = True

    caught: BaseException | None = None
    try:
        asyncio.run(play(opening, iter(RECORDS), board(), screen, 0.0))
    except OSError as error:
        caught = error
    return stages[0], caught


def test_a_demo_is_played_to_its_end_and_drawn_a_last_time() -> None:
    screen = _Screen("")
    stage, caught = played(screen)
    assert caught is None
    assert stage.taken == RECORDS
    assert stage.finished and stage.left
    assert screen.told == ["alert", "alert"]
    assert screen.drawn >= 2


@pytest.mark.parametrize(("where", "told"), [("alert", 1), ("draw", 0)])
def test_a_screen_that_breaks_ends_the_demo_and_not_the_detectors(where: str, told: int) -> None:
    screen = _Screen(where)
    stage, caught = played(screen)
    assert str(caught) == where
    assert len(screen.told) <= told
    assert stage.left and not stage.finished


def test_a_console_whose_reader_has_left_raises_once_and_then_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as out:
        monkeypatch.setattr(sys, "stdout", out)
        console = PipeConsole()
        with pytest.raises(BrokenPipeError):
            console.print("x")
        console.print("y")
        assert console.quiet
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)
