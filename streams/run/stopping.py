"""What signals do to a run: the first has it finish, a second ends the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_STDERR: Final = 2
_OF_A_SIGNAL: Final = 128
"""What a shell adds to the number of the signal that ended a process."""


@contextmanager
def stop_signal(say: Callable[[str], None]) -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set; a second signal ends the process at once.

    That one does not wait for the event loop, which may be busy, and raises nothing in it: what the
    log has taken is on disk. It does so until ``signals_restored`` ends, as closing the loop takes
    its time, too.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def told(number: signal.Signals) -> None:
        if stop.is_set():  # both came while the loop was busy
            end_at_once(number)
        for each in SIGNALS:
            signal.signal(each, end_at_once)
        say(f"{number.name}: finishing what is under way; again to stop at once")
        stop.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, told, number)
    try:
        yield stop
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, end_at_once if stop.is_set() else before[number])


@contextmanager
def signals_restored() -> Iterator[None]:
    """Have both signals do afterwards what they did before."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_at_once(number: int, _frame: FrameType | None = None) -> None:
    """End the process as the signal would: 130 after SIGINT, 143 after SIGTERM."""
    name = signal.Signals(number).name
    with suppress(OSError):  # not by sys.stderr: it may be in the middle of a line
        os.write(_STDERR, f"goldendog: {name} again: ended at once\n".encode())
    os._exit(_OF_A_SIGNAL + number)
