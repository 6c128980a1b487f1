"""Worker processes that are measured from outside, by the CPU time that the system counts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Final

import psutil

ROOT: Final = Path(__file__).parents[2]
PATIENCE_S: Final = 180.0
_LOOK_S: Final = 0.005
_KEPT_S: Final = 0.02


class Process:
    """A process of ours.

    Parameters
    ----------
    command : what to run, from the root of the repository.
    folder : for what it says: ``out`` and ``err``.
    env : variables added to ours.
    """

    def __init__(self, command: list[str], folder: Path, env: dict[str, str] | None = None) -> None:
        self._err = folder / "err"
        self.out = folder / "out"
        with self.out.open("ab") as out, self._err.open("ab") as err:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=os.environ | {"GOLDENDOG_CONFIG": ""} | (env or {}),
            )
        self._seen = psutil.Process(self._process.pid)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def cpu_s(self) -> float:
        """CPU seconds that it has used, all its threads."""
        used = self._seen.cpu_times()
        return float(used.user + used.system)

    def pin(self, core: int) -> None:
        """Run on one core alone from now on, where the system can say so."""
        if hasattr(self._seen, "cpu_affinity"):
            self._seen.cpu_affinity([core])

    def suspend(self) -> None:
        """Stop it, until ``resume``."""
        self._seen.suspend()

    def resume(self) -> None:
        """Let it go on."""
        self._seen.resume()

    def memory(self) -> int:
        """Bytes that are its own in memory now."""
        return int(self._seen.memory_info().rss)

    def said(self, text: str) -> bool:
        """Whether a text is in what it told on standard error."""
        return text in self._err.read_text("utf-8", "replace")

    def wait_for(self, condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
        """Wait until a condition holds. RuntimeError where the process ends, or it takes too long."""
        until = monotonic() + seconds
        while not condition():
            if self._process.poll() is not None:
                raise RuntimeError(f"it ended with {self._process.returncode}: {self.tail()}")
            if monotonic() > until:
                raise RuntimeError(f"it took longer than {seconds:g} s: {self.tail()}")
            sleep(0.02)

    def wait(self, seconds: float = PATIENCE_S) -> int:
        """Wait for its end; its exit code."""
        return self._process.wait(seconds)

    def tail(self) -> str:
        """The end of what it said on standard error."""
        return self._err.read_text("utf-8", "replace")[-2_000:]

    def kill9(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self, seconds: float = PATIENCE_S) -> None:
        """Ask it to end, and wait until it has."""
        self._process.terminate()
        self._process.wait(seconds)


@contextmanager
def running(
    command: list[str], folder: Path, env: dict[str, str] | None = None
) -> Iterator[Process]:
    """Run a process; killed at the end of the block if it still runs."""
    folder.mkdir(parents=True, exist_ok=True)
    process = Process(command, folder, env)
    try:
        yield process
    finally:
        process.kill9()


def goldendog(*args: str) -> list[str]:
    """The command line of ``goldendog`` with these arguments."""
    return [sys.executable, "-m", "streams.cli.main", *args]


@contextmanager
def slowed(processes: Sequence[Process], share: float) -> Iterator[None]:
    """Processes that get a share of CPU time, each of a core of its own: as on as many slow machines.

    Whoever had more is stopped until it is due again. The system counts CPU time in hundredths of a second:
    that is for some 30 ms at a quarter and for half a second at a fiftieth, too short for anyone to take it
    for dead. What is due is kept for ``_KEPT_S`` at most: who waits for others does not catch up.
    """
    over = Event()

    def stop_and_go() -> None:
        before, used = monotonic(), [process.cpu_s() for process in processes]
        due = [0.0] * len(processes)
        while not over.wait(_LOOK_S):
            now = monotonic()
            for k, process in enumerate(processes):
                cpu_s = process.cpu_s()
                due[k] = min(due[k] + share * (now - before), _KEPT_S) - (cpu_s - used[k])
                used[k] = cpu_s
                if due[k] < 0:
                    process.suspend()
                else:
                    process.resume()
            before = now
        for process in processes:
            process.resume()

    for core, process in enumerate(processes):
        process.pin(core % psutil.cpu_count())
    thread = Thread(target=stop_and_go, name="stop and go")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
