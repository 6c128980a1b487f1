"""Where the demo is shown: a terminal that is redrawn, or a pipe that gets lines."""

from __future__ import annotations

import errno
import os
from types import TracebackType
from typing import NoReturn, Protocol, Self

from rich.console import Console
from rich.live import Live

from schemas.records import Alert
from streams.demo.board import Board
from streams.demo.view import render
from streams.demo.words import clock, headline, reasons

DAY_MS = 86_400_000


class PipeConsole(Console):
    """A console whose reader may leave: that is an OSError, where rich would end the process."""

    def on_broken_pipe(self) -> NoReturn:
        """Print nothing from now on, and raise BrokenPipeError."""
        self.quiet = True
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class Screen(Protocol):
    """Shows a board while it changes."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def alerted(self, alert: Alert) -> None:
        """An alert came."""
        ...

    def draw(self) -> None:
        """Show the board as it stands."""
        ...


class TerminalScreen:
    """A live view; the last frame stays."""

    def __init__(self, console: Console, board: Board) -> None:
        self._console = console
        self._board = board
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def alerted(self, alert: Alert) -> None:
        """Nothing: the next frame shows it."""

    def draw(self) -> None:
        """Draw one frame, as tall as the terminal allows."""
        frame = render(self._board, self._console.height)
        self._live.update(frame, refresh=True)


class PlainScreen:
    """Lines: one a day of event time, two an alert."""

    def __init__(self, console: Console, board: Board) -> None:
        self._console = console
        self._board = board
        self._day = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def alerted(self, alert: Alert) -> None:
        """Print the alert; updates of an episode are left to the terminal."""
        if alert.kind == "update":
            return
        self._print(headline(alert))
        if alert.kind == "candidate":
            self._print(f"                 because: {reasons(alert)}")

    def draw(self) -> None:
        """Print a line for each day that has begun: a while later, since alerts come after bars."""
        now_ms = self._board.now_ms
        if now_ms and not self._day:
            self._day = now_ms // DAY_MS - 1  # the first day is told like any other
        day = (now_ms - DAY_MS // 4) // DAY_MS
        if now_ms and day > self._day:
            self._day = day
            self._print(f"-- {clock(day * DAY_MS)[:6]}: {self._board.fed:,} records read")

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)
