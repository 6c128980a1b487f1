"""TLS and logins against a real broker, by each of the three clients; and what keeps one out."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import faust
import pytest

from schemas.topics import ALERTS
from streams.cli.main import exit_code
from streams.kafka.admin import topics_check, topics_create
from streams.kafka.connection import Connection
from streams.kafka.log import KafkaLog
from streams.log.base import Item
from streams.transport import kafka
from streams.transport.app import new_app
from streams.transport.delivery import BatchTransport
from tests.helpers.parts import program
from tests.kafka.broker import libs_or_skip
from tests.kafka.live import command, worker
from tests.kafka.rig import KafkaRig, Seen, eventually, running
from tests.kafka.secure import LISTENERS, SecureBroker, settings_of

pytestmark = [pytest.mark.broker, pytest.mark.slow]
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """A broker with all kinds of listeners, and goldendog's topics."""
    program("openssl", "apt-get install openssl")
    made = SecureBroker(tmp_path_factory.mktemp("secure"), libs_or_skip())
    try:
        made.start()
        topics_create(made.connection("SASL_SSL"), 2, 1)
        yield made
    finally:
        made.broker.stop()


class SecureRig(KafkaRig):
    """Runs apps over a connection with credentials."""

    def __init__(self, where: Connection, log: KafkaLog) -> None:
        super().__init__(where.bootstrap, log)
        self._where = where

    def new_app(self, app_id: str, **options: Any) -> tuple[faust.App, BatchTransport]:
        app = new_app(app_id, self._where, commit_interval_s=0.2, session_timeout_s=6.0)
        return app, kafka.install(app, **options)


@pytest.mark.parametrize("protocol", LISTENERS)
async def test_all_three_clients_get_in(secure: SecureBroker, protocol: str) -> None:
    where = secure.connection(protocol)
    assert await asyncio.to_thread(topics_check, where, 2, 1) == []  # kafka-python
    seen = Seen()
    async with KafkaLog(where) as log:  # aiokafka
        ends = [await log.append(ALERTS, p, [Item(None, protocol.encode())]) for p in range(2)]
        (record,) = await log.read(ALERTS, 1, ends[1][0])
        assert record.value == protocol.encode()
        async with running(SecureRig(where, log), {ALERTS: seen}) as run:  # Faust
            await eventually(lambda: seen.values.count(protocol.encode()) == 2)
            await run.end()


def test_a_worker_lives_on_tls_and_a_login(
    secure: SecureBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From creating the topics to a clean stop, by the command line and settings alone."""
    where = secure.connection("SASL_SSL")
    for name, value in settings_of(where).items():
        monkeypatch.setenv(name, value)
    sizes = ("--partitions", "2", "--mention-partitions", "1")
    assert "11 were there" in command("topics", "create", *sizes).stdout
    assert "as they should be" in command("topics", "check", *sizes).stdout
    checks = json.loads(command("doctor", "--json", "--http-port", "0").stdout)["checks"]
    by_name = {check["name"]: check for check in checks}
    assert by_name["broker"]["verdict"] == "OK"
    with worker(where.bootstrap, tmp_path) as process:
        assert until_said(tmp_path / "worker.log", f"working on {where.bootstrap}", process.poll)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def until_said(log: Path, text: str, ended: Callable[[], int | None]) -> bool:
    until = time.monotonic() + PATIENCE_S
    while text not in log.read_text():
        assert ended() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)
    return True


def wrong_password(secure: SecureBroker) -> Connection:
    return replace(secure.connection("SASL_SSL"), sasl_password="guess")


def untrusted(secure: SecureBroker) -> Connection:
    return replace(secure.connection("SASL_SSL"), ssl_ca_file=secure.folder / "other.pem")


def plain_to_tls(secure: SecureBroker) -> Connection:
    return secure.connection("PLAINTEXT", at="SASL_SSL")


KEPT_OUT = [
    (wrong_password, "refused to let 'dog' in", "check kafka.sasl_username"),
    (untrusted, "is not trusted", "with kafka.ssl_ca_file"),
    (plain_to_tls, "speaks TLS, and kafka.security_protocol is PLAINTEXT", "set it to SSL"),
    (
        lambda secure: secure.connection("PLAINTEXT", at="SASL_PLAINTEXT"),
        "answers nobody who has not logged in",
        "set it to SASL_PLAINTEXT",
    ),
    (
        lambda secure: secure.connection("SASL_SSL", at="PLAINTEXT"),
        "speaks no TLS",
        "set it to SASL_PLAINTEXT, or use the broker's TLS port",
    ),
    (
        lambda secure: secure.connection("SASL_PLAINTEXT", at="PLAINTEXT"),
        "asks nobody to log in",
        "set kafka.security_protocol to PLAINTEXT",
    ),
    (
        lambda secure: replace(secure.connection("SASL_PLAINTEXT"), sasl_mechanism="PLAIN"),
        "does not offer PLAIN",
        "set kafka.sasl_mechanism",
    ),
    (
        lambda secure: replace(secure.connection("SASL_SSL"), sasl_username=""),
        "nobody is named",
        "set kafka.sasl_username",
    ),
    (
        lambda secure: replace(secure.connection("SSL"), ssl_cert_file=None, ssl_key_file=None),
        "asks for a certificate of ours",
        "name one with kafka.ssl_cert_file",
    ),
    (
        lambda secure: replace(
            secure.connection("SSL"),
            ssl_cert_file=secure.folder / "other.pem",
            ssl_key_file=secure.folder / "other.key",
        ),
        "asks for a certificate of ours that it trusts",
        "name one with kafka.ssl_cert_file",
    ),
    (
        lambda secure: replace(secure.connection("SSL"), ssl_ca_file=secure.folder / "none.pem"),
        "none.pem cannot be used (no such file)",
        "name a file of certificates in PEM form",
    ),
]


@pytest.mark.parametrize(("make", "problem", "remedy"), KEPT_OUT)
def test_what_keeps_one_out_is_one_sentence(
    secure: SecureBroker,
    make: Callable[[SecureBroker], Connection],
    problem: str,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    where = make(secure)
    for name, value in settings_of(where).items():
        monkeypatch.setenv(name, value)
    run = ["run", "--bootstrap", where.bootstrap, "--data-dir", str(tmp_path)]
    for args in (["topics", "describe"], run):  # a worker ends, instead of trying for ever
        assert exit_code(args) == 2
        said = capsys.readouterr().err
        assert said.startswith("goldendog: ")
        assert said.count("\n") == 1
        assert problem in said
        assert remedy in said.partition("; ")[2]
    assert exit_code(["doctor", "--json", "--http-port", "0"]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    (broker,) = [check for check in checks if check["name"] == "broker"]
    assert broker["verdict"] == "FAIL"
    assert problem in broker["found"]
