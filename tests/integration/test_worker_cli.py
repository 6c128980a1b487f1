"""``goldendog run`` as people run it: files, standard input, HTTP, kills, and mistakes."""

from __future__ import annotations

import json
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from schemas.decode import encode_record
from schemas.errors import InputFileError, StateError
from schemas.topics import ALERTS, GAUGES
from streams.cli.main import exit_code
from streams.files.write import write_records
from streams.log.sqlite_reader import open_readonly
from streams.replay.api import replay
from streams.settings_load import load_settings
from tests.helpers.crowd import EAGER, crowd
from tests.helpers.pump import in_order
from tests.helpers.wire import random_records

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0
pytestmark = pytest.mark.slow


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings with which the shipped model alerts on nearly anything."""
    path = tmp_path / "goldendog.toml"
    path.write_text(EAGER)
    return path


def run(*args: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "run", *map(str, args)],
        cwd=ROOT,
        input=given,
        capture_output=True,
        check=False,
        timeout=PATIENCE_S,
    )


def in_log(folder: Path) -> list[bytes]:
    with open_readonly(folder) as log:
        n = log.topics()[ALERTS]
        return [r.value or b"" for p in range(n) for r in log.iter_topic(ALERTS, p)]


def replayed(path: Path, config: Path, out: Path) -> list[bytes]:
    replay(path, settings=load_settings(config).engine, out=out)
    return (out / "alerts.ndjson").read_bytes().splitlines()


def test_files_then_standard_input_give_what_their_replay_gives(
    tmp_path: Path, config: Path
) -> None:
    records = random_records(21)
    file, folder = tmp_path / "records.ndjson", tmp_path / "data"
    write_records(records, file)
    common = ("--embedded", "--config", config, "--exit-at-end", "--json")
    fed = run(*common, "--data-dir", folder, "--recorded-time", "--partitions", 2, file)
    assert fed.returncode == 0, fed.stderr.decode()
    expected = replayed(file, config, tmp_path / "out")
    assert len(expected) > 3
    assert in_order(fed.stdout.splitlines()) == in_order(in_log(folder)) == expected
    again = run(*common, "--data-dir", folder, file)
    assert (again.returncode, again.stdout) == (0, b"")
    assert f"{len(records):,} were there already" in again.stderr.decode()
    lines = b"\n".join(map(encode_record, sorted(records, key=lambda r: r.ts_log_ms or 0)))
    other = tmp_path / "other"
    piped = run(*common, "--data-dir", other, "--recorded-time", "-", given=lines + b"\n{bad}\n")
    assert piped.returncode == 0, piped.stderr.decode()
    assert in_order(in_log(other)) == expected
    assert "1 bad" in piped.stderr.decode()
    assert f"line {len(records) + 1}: not_json" in piped.stderr.decode()


def test_sigterm_ends_a_run_whose_input_stays_open(tmp_path: Path) -> None:
    records = random_records(22, n=200)[:-1]
    args = ("--embedded", "--data-dir", tmp_path / "data", "--recorded-time", "--no-http", "-")
    with subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "run", *map(str, args)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"\n".join(map(encode_record, records)) + b"\n")
        process.stdin.flush()
        log = tmp_path / "data" / "log.db"
        until = time.monotonic() + PATIENCE_S
        while not log.exists() or _fed(tmp_path / "data") < len(records) - 1:
            assert time.monotonic() < until
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read().decode()  # its end: nothing waits for our input
        assert process.wait(PATIENCE_S) == 0, said
    assert said.splitlines()[-1] == "goldendog: stopped cleanly; 0 alerts were told"


def _fed(folder: Path) -> int:
    try:
        with open_readonly(folder) as log:
            topics = log.topics()
            ends = [
                log.end_offset(topic, p)
                for topic in ("social.mentions.v1", "dex.ticks.v1", "tokens.info.v1", GAUGES)
                for p in range(topics.get(topic, 0))
            ]
    except (StateError, InputFileError):
        return 0
    return sum(ends)


class Served:
    """A live run with an open door."""

    def __init__(self, folder: Path, config: Path) -> None:
        args = ["--embedded", "--data-dir", folder, "--config", config, "--http-port", 0]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "run", *map(str, args)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self.said: list[str] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"POST records to (http://\S+)/v1/records", line):
                self.url = found[1]
                break
        else:
            raise AssertionError("".join(self.said))
        self.listener = threading.Thread(target=self.said.extend, args=(self.process.stderr,))
        self.listener.start()
        self.token = (folder / "http-token").read_text().strip()

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(self.url + path, data=body)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/x-ndjson")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def is_ready(self) -> bool:
        try:
            return json.loads(self.ask("/readyz"))["ready"] is True
        except urllib.error.HTTPError as error:
            error.close()  # else Python 3.14 warns of it
            if error.code != 503:
                raise
            return False


@contextmanager
def served(folder: Path, config: Path) -> Iterator[Served]:
    one = Served(folder, config)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()
        one.listener.join()
        assert one.process.stderr is not None
        one.process.stderr.close()


def test_http_with_kills_loses_nothing_acknowledged(tmp_path: Path, config: Path) -> None:
    folder = tmp_path / "data"
    acknowledged = round_ = 0
    unsure: list[bytes] = []
    for kill in (True, True, False):
        with served(folder, config) as door:
            began = time.monotonic()
            alerts: list[object] = []
            while time.monotonic() - began < (3 if kill else PATIENCE_S):
                round_ += 1
                lines = [*map(encode_record, crowd(round_, time.time_ns() // 1_000_000))]
                body = b"\n".join([*unsure, *lines])  # what was not acknowledged is sent again
                answer = json.loads(door.ask("/v1/records", body))
                assert answer["rejected"] == 0
                acknowledged += len(lines)
                unsure = []
                alerts = json.loads(door.ask("/v1/alerts"))["alerts"]
                if not kill and alerts:
                    break
                time.sleep(0.2)
            if kill:
                unsure = [*map(encode_record, crowd(round_ := round_ + 1, time.time_ns() // 10**6))]
                acknowledged += len(unsure)
                threading.Timer(0.002, door.process.kill).start()
                try:
                    door.ask("/v1/records", b"\n".join(unsure))
                except OSError:
                    pass
                else:
                    unsure = []
                door.process.wait()
                continue
            assert alerts
            assert b"goldendog_open_bar_held_seconds" in door.ask("/metrics")
            while not door.is_ready():  # a busy machine may be behind with what was just sent
                assert time.monotonic() - began < 2 * PATIENCE_S, door.ask("/metrics")
                time.sleep(0.2)
            door.process.send_signal(signal.SIGTERM)
            assert door.process.wait(PATIENCE_S) == 0, door.said
    with open_readonly(folder) as log:
        ids = {
            msgspec.json.decode(r.value or b"")["id"]
            for topic in ("social.mentions.v1", "dex.ticks.v1")
            for p in range(log.topics()[topic])
            for r in log.iter_topic(topic, p)
        }
    assert sum(not i.startswith("heartbeat") for i in ids) == acknowledged
    assert in_order(in_log(folder)) == replayed(folder, config, tmp_path / "out")


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Commands set up logging for the whole process: undo it."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.mark.usefixtures("own_logging")
def test_mistakes_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "old.ndjson"
    write_records(random_records(1, n=20), old)
    broken = tmp_path / "lexicon.json"
    broken.write_text("{")
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        cases: list[tuple[list[object], str]] = [
            ([], "it is not clear where to run"),
            (["--embedded", "--bootstrap", "x:1"], "it is not clear where to run"),
            (["--embedded", "--no-http"], "nothing to feed"),
            (["--embedded", "--scores", "most"], "write alerts, gated or all"),
            (["--embedded", "--lexicon", tmp_path / "none"], "cannot be read"),
            (["--embedded", "--lexicon", broken, "--no-http", old], "lexicon"),
            (["--embedded", "--no-http", tmp_path / "none"], "no such file"),
            (["--embedded", "--no-http", old], "add --recorded-time"),
            (["--embedded", "--http-port", taken.getsockname()[1]], "used by another process"),
            (["--embedded", "--data-dir", tmp_path / "file" / "x", "--http-port", 0], "file"),
            (["--bootstrap", "x:1", old], "files are not fed to Kafka"),
        ]
        for args, words in cases:
            place = (
                []
                if "--data-dir" in args or "--bootstrap" in args
                else ["--data-dir", tmp_path / "d"]
            )
            code = exit_code(["run", *map(str, [*args, *place])])
            said = capsys.readouterr().err
            assert code == 2, (args, said)
            assert words in said.splitlines()[-1], (args, said)
            assert "Traceback" not in said
    assert not (tmp_path / "d" / "log.db").exists() or (tmp_path / "d" / "http-token").exists()
