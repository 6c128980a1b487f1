"""A real Apache Kafka for tests: started from its Java artifacts, killed, restarted, ended."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from tests.helpers.ports import free_ports

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".cache" / "kafka"
READY_TIMEOUT_S = 120.0
REMEDY = "apt-get install openjdk-17-jre-headless maven"


class NoBrokerError(Exception):
    """The broker cannot be started here; the message says what to install."""


def fetch_libs() -> Path:
    """Folder of the broker's jars, resolved by Maven once for each state of pom.xml."""
    pom = HERE / "pom.xml"
    libs = CACHE / f"libs-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:  # test processes run side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (libs / "complete").exists():
            return libs
        for program in ("java", "mvn"):
            if shutil.which(program) is None:
                raise NoBrokerError(f"no {program} here: {REMEDY}")
        done = subprocess.run(
            [
                "mvn",
                "-q",
                "-B",
                "-f",
                pom,
                "dependency:copy-dependencies",
                f"-DoutputDirectory={libs}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NoBrokerError(f"Maven could not fetch Kafka's jars: {done.stdout[-2000:]}")
        (libs / "complete").touch()
        return libs


class KafkaBroker:
    """One node in ``folder``, on free ports of the loopback interface."""

    def __init__(self, folder: Path, libs: Path) -> None:
        self._folder = folder
        self._java = ["java", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        self._java += ["-cp", f"{libs}/*"]
        self._process: subprocess.Popen[bytes] | None = None
        port, controller = free_ports(2)
        self.bootstrap = f"127.0.0.1:{port}"
        self._config = folder / "server.properties"
        self._config.write_text(
            (HERE / "broker.properties").read_text("utf-8")
            + f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n"
            + f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n"
            + f"controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n"
            + f"log.dirs={folder / 'data'}\n"
        )

    def format(self) -> None:
        """Make the data folder."""
        # "A" in front: an id that began with "-" would be taken for an option.
        cluster = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:].rstrip("=")
        subprocess.run(
            [
                *self._java,
                "kafka.tools.StorageTool",
                "format",
                "--standalone",
                "-t",
                cluster,
                "-c",
                str(self._config),
            ],
            check=True,
            capture_output=True,
            cwd=self._folder,
        )

    def start(self) -> None:
        """Start, and wait until the node answers for its metadata."""
        with (self._folder / "broker.log").open("ab") as out:
            self._process = subprocess.Popen(
                [*self._java, "kafka.Kafka", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
            )
        self._wait()

    def kill9(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        """Start again on the same data and ports, after ``kill9`` or ``stop``."""
        self.start()

    def stop(self) -> None:
        """End it; by force where it does not listen."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill9()

    def log_tail(self) -> str:
        """The end of what the broker said."""
        return (self._folder / "broker.log").read_text("utf-8", "replace")[-4000:]

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the broker ended: {self.log_tail()}")
            host, port = self.bootstrap.split(":")
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex((host, int(port))):
                    time.sleep(0.1)
                    continue
            try:
                admin = KafkaAdminClient(
                    bootstrap_servers=self.bootstrap, bootstrap_timeout_ms=2000
                )
            except (KafkaError, OSError):
                time.sleep(0.2)
                continue
            try:
                admin.list_topics()
            except KafkaError:
                time.sleep(0.2)
            else:
                return
            finally:
                admin.close()
        raise RuntimeError(
            f"the broker did not come up in {READY_TIMEOUT_S:g} s: {self.log_tail()}"
        )


def in_ci() -> bool:
    """Whether a missing broker must fail the run, rather than skip its tests."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")
