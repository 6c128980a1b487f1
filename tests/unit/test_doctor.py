"""Each check fails where it should, says what to do, and passes on a machine that is well."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from streams.cli.main import exit_code
from streams.doctor.check import Check
from streams.doctor.machine import check_clock, check_packages, check_python, check_room
from streams.doctor.network import check_broker, check_port, check_webhooks
from streams.doctor.places import check_cache, check_data_folder, check_lexicon, check_model
from streams.log.sqlite import SqliteLog
from streams.log.topics import create_topics
from streams.model_store import default_folder
from streams.settings import HttpSettings, KafkaSettings, Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _checks(out: str) -> dict[str, dict[str, str]]:
    return {c["name"]: c for c in json.loads(out)["checks"]}


def test_a_machine_that_is_well(
    tmp_path: Path,
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    args = ["doctor", "--json", "--http-port", str(free_port)]
    assert exit_code(args) == 0
    checks = _checks(capsys.readouterr().out)
    assert {c["verdict"] for c in checks.values()} <= {"OK", "WARN"}
    assert "150 trees" in checks["model"]["found"]
    assert checks["http port"]["found"] == f"127.0.0.1:{free_port} is free"
    assert "broker" not in checks
    assert list(tmp_path.iterdir()) == []  # looking leaves nothing behind


def test_what_is_wrong_is_named_with_a_remedy_and_code_1(
    tmp_path: Path,
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("{")
    args = ["doctor", "--lexicon", "bad.json", "--http-port", str(free_port)]
    assert exit_code(args) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert "\nFAIL  lexicon: " in out
    assert out.splitlines()[-1] == "1 of 13 checks failed: lexicon"


def test_settings_that_cannot_be_used_stop_no_other_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "g.toml"
    file.write_text("[http]\nport = 'x'\n")
    assert exit_code(["doctor", "--json", "--config", str(file)]) == 1
    checks = _checks(capsys.readouterr().out)
    assert checks["settings"]["verdict"] == "FAIL"
    assert checks["settings"]["found"] == f"{file}:2: http.port is 'x'"
    assert checks["model"]["verdict"] == "OK"


def test_a_broker_that_is_named_is_asked(free_port: int) -> None:
    (check,) = check_broker(KafkaSettings(bootstrap=f"127.0.0.1:{free_port}"), 0)
    assert (check.name, check.verdict) == ("broker", "FAIL")
    assert "--bootstrap" in check.remedy


@pytest.mark.parametrize(
    ("version", "verdict"),
    [((3, 10, 9), "FAIL"), ((3, 11, 0), "OK"), ((3, 14, 1), "OK"), ((3, 15, 0), "WARN")],
)
def test_pythons(version: tuple[int, int, int], verdict: str) -> None:
    assert check_python(version).verdict == verdict


@pytest.mark.parametrize(
    ("requirement", "installed", "found"),
    [
        ("numpy<2.5,>=2.4", "2.4.6", None),
        ("numpy<2.5,>=2.4", "2.5", "numpy is 2.5, wanted <2.5,>=2.4"),
        ("numpy<2.5,>=2.4", "2.3.9", "numpy is 2.3.9, wanted <2.5,>=2.4"),
        ("faust-streaming==0.15.3", "0.15.3", None),
        ("faust-streaming==0.15.3", "0.15.30", "faust-streaming is 0.15.30, wanted ==0.15.3"),
        ("rich<16,>=15", "15.0.0rc1", None),
        ("rich<16,>=15", "", "rich is missing"),
        ("duckdb>=2; extra == 'quant'", "", None),
    ],
)
def test_versions_of_packages(requirement: str, installed: str, found: str | None) -> None:
    name = re.split("[<>=]", requirement)[0]
    check = check_packages([requirement], {name: installed} if installed else {})
    assert check.verdict == ("OK" if found is None else "FAIL")
    assert found is None or check.found == found


def test_the_packages_installed_here_are_as_wanted() -> None:
    check = check_packages()
    assert check.verdict == "OK" or "not installed" in check.found


@pytest.mark.parametrize(("now_s", "verdict"), [(0.0, "FAIL"), (1.7e9, "FAIL"), (1.9e9, "OK")])
def test_clocks(now_s: float, verdict: str) -> None:
    assert check_clock(now_s).verdict == verdict


def test_a_clock_that_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([2e9, 2e9, 2e9 + 3600])
    monkeypatch.setattr("streams.doctor.machine.time.time", lambda: next(times))
    check = check_clock()
    assert check.verdict == "WARN"
    assert check.found.startswith("the clock stepped by +3")


@pytest.mark.parametrize(
    ("free", "verdict"), [(50 << 20, "FAIL"), (500 << 20, "WARN"), (5 << 30, "OK")]
)
def test_room(tmp_path: Path, free: int, verdict: str) -> None:
    assert check_room("disk", tmp_path / "not" / "there", free).verdict == verdict


def test_room_is_that_of_the_disk_that_would_hold_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=3 << 30)

    monkeypatch.setattr("streams.doctor.machine.shutil.disk_usage", usage)
    check = check_room("disk", tmp_path / "not" / "there")
    assert asked == [tmp_path]
    assert check.found == f"3.0 GiB free for {tmp_path / 'not' / 'there'}"


def test_data_folders(tmp_path: Path) -> None:
    assert check_data_folder(tmp_path / "new" / "data").found.endswith("will be made")
    assert check_data_folder(tmp_path).found.endswith("has no log yet")
    (tmp_path / "file").write_text("")
    assert check_data_folder(tmp_path / "file" / "data").verdict == "FAIL"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "log.db").write_bytes(b"no database at all")
    other = check_data_folder(tmp_path / "other")
    assert (other.verdict, "is not a goldendog log" in other.found) == ("FAIL", True)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> None:  # noqa: A002 - tempfile's own name
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("streams.doctor.places.tempfile.TemporaryFile", refuse)
    check = check_data_folder(tmp_path / "data")
    assert (check.verdict, check.found) == ("FAIL", f"{tmp_path} cannot be written")


def test_a_log_in_use_and_a_log_ahead_of_the_clock(tmp_path: Path) -> None:
    with SqliteLog(tmp_path) as log:
        create_topics(log, 1)
        check = check_data_folder(tmp_path)
        assert check.found.endswith(f"a log of append time, in use by process {os.getpid()}")
    assert check_data_folder(tmp_path).found.endswith("a log of append time")
    ahead = time.time_ns() // 1_000_000 + 7_200_000
    with SqliteLog(tmp_path) as log:
        log._db.execute("UPDATE records SET ts_log_ms = ?", (ahead,))
    check = check_data_folder(tmp_path)
    assert check.verdict == "WARN"
    assert " ahead of the clock" in check.found


def test_no_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = os.environ.get("NUMBA_CACHE_DIR", "")
    monkeypatch.setattr("streams.numba_cache._point_numba_at", lambda _: None)
    monkeypatch.setenv("NUMBA_CACHE_DIR", kept)
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("GOLDENDOG_CACHE_DIR", str(blocked))
    check = check_cache()
    assert (check.verdict, "GOLDENDOG_CACHE_DIR" in check.remedy) == ("WARN", True)


def test_a_model_that_was_changed(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(default_folder(), folder)
    assert check_model(folder).verdict == "OK"
    raw = bytearray((folder / "golden_dog.npz").read_bytes())
    raw[100] ^= 1
    (folder / "golden_dog.npz").write_bytes(bytes(raw))
    check = check_model(folder)
    assert (check.verdict, "not the file its manifest names" in check.found) == ("FAIL", True)
    assert check_model(tmp_path / "none").verdict == "FAIL"


def test_lexicons(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "lexicon.json"
    check = check_lexicon(example)
    assert check.verdict == "OK"
    assert "versions" in check.found
    assert check_lexicon(tmp_path / "none.json").verdict == "FAIL"
    assert check_lexicon(None).verdict == "OK"


class _Answers(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[tuple[type[_Answers], int]]:
    class Answers(_Answers):
        pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Answers, server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("body", "verdict", "found"),
    [
        ({"ready": True, "checks": {}}, "OK", "a goldendog that is ready answers"),
        (
            {"ready": False, "checks": {"log": {"ok": False, "reason": "full disk"}}},
            "WARN",
            "is not ready: log: full disk",
        ),
        ("hello", "FAIL", "in use by another program"),
        ({"other": 1}, "FAIL", "in use by another program"),
    ],
)
def test_who_has_the_port(
    web: tuple[type[_Answers], int], body: object, verdict: str, found: str
) -> None:
    answers, port = web
    answers.body = json.dumps(body).encode()
    check = check_port(HttpSettings(port=port))
    assert check.verdict == verdict
    assert found in check.found


def test_ports_that_need_no_look_and_hosts_that_are_none() -> None:
    assert check_port(HttpSettings(port=0)).verdict == "OK"
    assert check_port(HttpSettings(host="192.0.2.1", port=80)).verdict == "FAIL"


def test_webhooks() -> None:
    endpoint = {"name": "desk", "url": "https://example.com/hush", "secret": SECRET}
    assert check_webhooks(Settings(webhooks=(endpoint,))) == Check("webhooks", "OK", "desk")
    private = check_webhooks(Settings(webhooks=(endpoint | {"allow_private": True},)))
    assert (private.verdict, "allow_private" in private.found) == ("WARN", True)
    bad = check_webhooks(Settings(webhooks=(endpoint | {"url": "http://example.com/hush"},)))
    assert bad.verdict == "FAIL"
    assert "hush" not in bad.found + bad.remedy
