"""The first signal has a run finish; the second ends it, whatever the loop is doing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.run import stopping
from streams.run.stopping import SIGNALS, end_at_once, signals_restored, stop_signal

ROOT = Path(__file__).parents[2]
CHILD = """
import asyncio, sys, time
from streams.run.stopping import signals_restored, stop_signal

async def run():
    with stop_signal(lambda text: print(text, file=sys.stderr, flush=True)) as stop:
        print("ready", flush=True)
        if sys.argv[1] == "busy":
            time.sleep(2)  # both signals wait for it
        await stop.wait()
        if sys.argv[1] == "stuck":
            while True:
                time.sleep(0.01)
    print("left", flush=True)
    await asyncio.to_thread(time.sleep, 60)

with signals_restored():
    asyncio.run(run())
"""


class _EndedError(Exception):
    pass


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Codes that the process would have ended with."""
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        raise _EndedError

    monkeypatch.setattr(stopping.os, "_exit", end)
    return codes


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_told_and_handlers_come_back(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    said: list[str] = []

    async def run() -> None:
        with stop_signal(said.append) as stop:
            assert not stop.is_set()
            signal.raise_signal(number)
            await asyncio.wait_for(stop.wait(), 5)
            assert signal.getsignal(number) is end_at_once
        assert signal.getsignal(number) is end_at_once

    with signals_restored():
        asyncio.run(run())
    assert said == [f"{number.name}: finishing what is under way; again to stop at once"]
    assert [signal.getsignal(each) for each in SIGNALS] == before


async def test_a_run_that_ends_of_itself_leaves_signals_as_they_were() -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with stop_signal(print):
        assert [signal.getsignal(each) for each in SIGNALS] != before
    assert [signal.getsignal(each) for each in SIGNALS] == before


async def test_two_that_came_while_the_loop_was_busy_end_it(
    ended: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    with signals_restored(), stop_signal(lambda _: None) as stop:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(number)
        await asyncio.wait_for(stop.wait(), 5)
        await asyncio.sleep(0.05)
    assert ended == [143]
    assert capfd.readouterr().err == "goldendog: SIGTERM again: ended at once\n"


def test_an_end_needs_no_standard_error(ended: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(stopping.os, "write", fail)
    with pytest.raises(_EndedError):
        end_at_once(signal.SIGINT)
    assert ended == [130]


@pytest.mark.parametrize("how", ["busy", "stuck", "closing"])
def test_a_second_signal_ends_the_process_at_once(how: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, how],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background has its children ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.decode().splitlines()[-1] == "goldendog: SIGINT again: ended at once"
    assert b"Traceback" not in errors
    assert out == (b"left\n" if how == "closing" else b"")
