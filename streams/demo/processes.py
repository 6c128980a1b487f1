"""The demo's processes: a broker of its own, and workers. None of them outlives the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import streams
from schemas.errors import GoldendogError
from streams.cache_dir import cache_dir
from streams.local_kafka.broker import KafkaBroker, fetch_libs, free_ports

STOP_TIMEOUT_S: Final = 30.0
_ROOT: Final = Path(streams.__file__).parents[1]
_KEPT: Final = ("GOLDENDOG_CACHE_DIR", "GOLDENDOG_DEBUG")


class WorkerProcess:
    """``goldendog run --bootstrap`` with settings of the demo alone. Started by ``worker_process``."""

    def __init__(self, folder: Path, number: int, bootstrap: str, lexicon: Path) -> None:
        self.name = f"worker {number}"
        [self.port] = free_ports(1)
        self._log = folder / f"worker-{number}.log"
        command = [sys.executable, "-m", "streams.cli.main", "run", "--bootstrap", bootstrap]
        command += ["--lexicon", str(lexicon), "--data-dir", str(folder / f"worker-{number}")]
        command += ["--scores", "gated", "--http-port", str(self.port), "--json"]
        ours = {k: v for k, v in os.environ.items() if not k.startswith("GOLDENDOG_")}
        kept = {k: os.environ[k] for k in _KEPT if k in os.environ}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 our own command line
                command,
                cwd=folder,  # no settings file lies there
                env=ours | kept | {"PYTHONPATH": str(_ROOT), "GOLDENDOG_CONFIG": ""},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,  # Ctrl-C is the demo's to obey
            )

    def check(self) -> None:
        """Raise where it has ended."""
        if (code := self._process.poll()) is not None:
            raise GoldendogError(f"{self.name} ended with {code}: {self._last_words()}")

    def stop(self) -> None:
        """End it cleanly; by force where that takes long."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def _last_words(self) -> str:
        lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@contextmanager
def worker_process(
    folder: Path, number: int, bootstrap: str, lexicon: Path
) -> Iterator[WorkerProcess]:
    """A worker, killed at the end if it is not gone by then."""
    worker = WorkerProcess(folder, number, bootstrap, lexicon)
    try:
        yield worker
    finally:
        worker.kill()


def broker_libs(say: Callable[[str], None]) -> Path:
    """The broker's jars.

    Raises NoBrokerError, which says what to install, where Java or Maven is missing.
    """
    say("looking for Apache Kafka, fetching its 54 MB the first time ...")
    return fetch_libs(cache_dir() / "kafka")


@contextmanager
def demo_broker(libs: Path, say: Callable[[str], None]) -> Iterator[tuple[str, Path]]:
    """Address of an Apache Kafka, and a folder; both are gone at the end."""
    with TemporaryDirectory(prefix="goldendog-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        broker = KafkaBroker(folder, libs)
        say("starting Apache Kafka ...")
        try:
            broker.format()
            broker.start()
            yield broker.bootstrap, folder
        finally:
            broker.stop()


@contextmanager
def ended_like_interrupted() -> Iterator[None]:
    """Have SIGTERM and SIGHUP do what Ctrl-C does, so that processes of ours are ended too."""

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    kept = {
        number: signal.signal(number, interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_DFL  # under nohup, SIGHUP is nothing to obey
    }
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
