"""A real Apache Kafka on this machine: started from its Java artifacts, killed, restarted, ended."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from schemas.errors import GoldendogError, UserError

HERE: Final = Path(__file__).parent
READY_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 20.0
REMEDY: Final = "apt-get install openjdk-17-jre-headless maven"
_MAIN: Final = "kafka.Kafka"
_FORMAT: Final = ("kafka.tools.StorageTool", "format", "--standalone")


class NoBrokerError(UserError):
    """The broker cannot be started here; the remedy says what to install."""


def fetch_libs(cache: Path) -> Path:
    """Folder of the broker's jars, resolved by Maven once for each state of ``pom.xml``.

    Parameters
    ----------
    cache : folder of such folders; made where missing. Processes may share it.

    Raises
    ------
    NoBrokerError : Java or Maven is not installed, or Maven cannot fetch the jars.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise NoBrokerError(f"there is no {program} here", f"install it: {REMEDY}")
    pom = HERE / "pom.xml"
    libs = cache / f"libs-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (libs / "complete").exists():
            return libs
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
        done = subprocess.run(  # noqa: S603 our own command line
            [*command, f"-DoutputDirectory={libs}", f"-Dproject.build.directory={cache / 'build'}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = next((line for line in done.stdout.splitlines() if "ERROR" in line), "")
            raise NoBrokerError(
                f"Maven could not fetch Kafka's jars: {said[:300]}",
                "see whether this machine reaches Maven's repository, or configure a mirror",
            )
        (libs / "complete").touch()
        return libs


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on at this moment."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class KafkaBroker:
    """One node in ``folder``, on free ports of the loopback interface.

    Parameters
    ----------
    folder : for its data and its log; must exist.
    libs : what ``fetch_libs`` gave.
    listeners : further protocols to listen for, such as ``SASL_SSL``; ``address`` tells where.
    properties : lines added to its settings.
    """

    def __init__(
        self, folder: Path, libs: Path, *, listeners: Sequence[str] = (), properties: str = ""
    ) -> None:
        self._folder = folder
        self._java = ["java", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        self._java += ["-cp", f"{libs}/*"]
        self._process: subprocess.Popen[bytes] | None = None
        protocols = ("PLAINTEXT", *listeners)
        controller, *ports = free_ports(1 + len(protocols))
        self._ports = dict(zip(protocols, ports, strict=True))
        self.bootstrap = self.address("PLAINTEXT")
        told = ",".join(f"{name}://127.0.0.1:{port}" for name, port in self._ports.items())
        mapped = ",".join(f"{name}:{name}" for name in protocols)
        self._config = folder / "server.properties"
        self._config.write_text(
            (HERE / "broker.properties").read_text("utf-8")
            + f"listeners={told},CONTROLLER://127.0.0.1:{controller}\n"
            + f"advertised.listeners={told}\n"
            + f"listener.security.protocol.map=CONTROLLER:PLAINTEXT,{mapped}\n"
            + f"controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n"
            + f"log.dirs={folder / 'data'}\n"
            + properties
        )

    @property
    def pid(self) -> int | None:
        """Of its process, once it was started."""
        return None if self._process is None else self._process.pid

    def address(self, protocol: str) -> str:
        """``host:port`` of a listener."""
        return f"127.0.0.1:{self._ports[protocol]}"

    def format(self, *options: str) -> None:
        """Make the data folder; ``options`` are StorageTool's, such as ``--add-scram``."""
        # "A" in front: an id that began with "-" would be taken for an option.
        cluster = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:].rstrip("=")
        named = ["-t", cluster, "-c", str(self._config)]
        done = subprocess.run(  # noqa: S603 our own command line
            [*self._java, *_FORMAT, *named, *options],
            check=False,
            capture_output=True,
            text=True,
            cwd=self._folder,
        )
        if done.returncode:
            raise GoldendogError(f"the broker's folder could not be made: {done.stderr[-2000:]}")

    def start(self) -> None:
        """Start, and wait until the node answers for its metadata."""
        with (self._folder / "broker.log").open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 our own command line
                [*self._java, _MAIN, str(self._config)],
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
            self._process.wait(STOP_TIMEOUT_S)
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
                raise GoldendogError(f"the broker ended: {self.log_tail()}")
            if self._answers():
                return
            time.sleep(0.2)
        raise GoldendogError(
            f"the broker did not come up in {READY_TIMEOUT_S:g} s: {self.log_tail()}"
        )

    def _answers(self) -> bool:
        host, port = self.bootstrap.split(":")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((host, int(port))):
                return False
        try:
            admin = KafkaAdminClient(bootstrap_servers=self.bootstrap, bootstrap_timeout_ms=2000)
        except (KafkaError, OSError):
            return False
        try:
            admin.list_topics()
        except KafkaError:
            return False
        else:
            return True
        finally:
            admin.close()
