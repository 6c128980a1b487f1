"""What webhooks must not do: read without end, reach a private network, trust anyone, tell secrets."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from aiohttp import web

from schemas.errors import BusyError, ConfigError, StateError
from streams.sinks.webhook.dispatcher import Dispatcher
from streams.sinks.webhook.outbox import Outbox
from streams.sinks.webhook.secret import WebhookSecret
from tests.helpers.door import SECRET, Door, Receiver, alert, endpoint, receiver, serving
from tests.helpers.opened import open_below

DAY = 86_400_000


async def test_an_endless_answer_is_not_read(tmp_path: Path) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x" * 65_536)
        except ConnectionError:
            return answer

    async with serving(flood) as url, Door(tmp_path, endpoint(url)) as door:
        await door.dispatcher.offer([alert("a", door.clock.ms)])
        await door.until("gd_a", "delivered")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1"]
)
async def test_private_addresses_are_refused_where_the_socket_is_made(
    tmp_path: Path, host: str
) -> None:
    async with receiver() as r:
        port = r.url.split(":")[2].split("/")[0]
        made = endpoint(f"http://{host}:{port}/hook")
        object.__setattr__(made, "allow_private", False)  # past the check of the URL itself
        async with Door(tmp_path, made) as door:
            await door.dispatcher.offer([alert("a", door.clock.ms)])
            await door.until("gd_a", "failed")
            [attempt] = door.outbox.attempts("gd_a")
            assert attempt.outcome == "refused", attempt
            assert "is not a public address" in attempt.detail
            assert door.outbox.spent("desk", door.clock.ms // DAY) == 0
        assert r.got == []


@pytest.fixture
def self_signed(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate that nobody vouches for, and its key."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {key}"
    subprocess.run([*command.split(), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


async def test_a_certificate_nobody_vouches_for_is_not_trusted(
    tmp_path: Path, self_signed: tuple[Path, Path]
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*self_signed)
    async with receiver(context=context) as r, Door(tmp_path, endpoint(r.url)) as door:
        await door.dispatcher.offer([alert("a", door.clock.ms)])
        await door.attempted("gd_a", 1)
        assert door.outbox.attempts("gd_a")[0].outcome == "tls"
        assert door.outbox.state("desk", "gd_a") == "pending"  # a renewal may mend it in time
        assert r.got == []


async def test_a_name_that_does_not_resolve_is_tried_again(tmp_path: Path) -> None:
    async with Door(tmp_path, endpoint("https://no-such-name.invalid/")) as door:
        await door.dispatcher.offer([alert("a", door.clock.ms)])
        await door.attempted("gd_a", 1)
        [attempt] = door.outbox.attempts("gd_a")
        assert (attempt.outcome, attempt.detail) == ("network", "the name does not resolve")
        assert door.outbox.state("desk", "gd_a") == "pending"


def test_one_process_at_a_time_and_no_foreign_file(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    with pytest.raises(BusyError, match="another process"):
        Outbox(tmp_path / "o.sqlite")
    outbox.close()
    Outbox(tmp_path / "o.sqlite").close()
    (tmp_path / "text").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(StateError, match="damaged") as damaged:  # holds what was opened
        Outbox(tmp_path / "text")
    assert open_below(tmp_path) == [], damaged


async def test_two_endpoints_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = endpoint("http://a.example/")
    outbox = Outbox(tmp_path / "o.sqlite")
    with pytest.raises(ConfigError, match="two endpoints are named desk"):
        Dispatcher(outbox, [twice, twice])
    outbox.close()


def test_secrets_and_urls_show_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = endpoint("https://hooks.example/services/T0/B0/s3cr3t")
    shown = f"{made} {made!r} {WebhookSecret(SECRET)} {made.secrets}"
    assert SECRET[6:20] not in shown
    assert "s3cr3t" not in shown


async def test_logs_of_a_failure_hold_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    r: Receiver
    async with receiver([400]) as r, Door(tmp_path, endpoint(r.url + "/s3cr3t")) as door:
        await door.dispatcher.offer([alert("a", door.clock.ms)])
        await door.until("gd_a", "failed")
    said = "".join(capsys.readouterr()) + caplog.text
    assert "webhook attempt failed" in said
    assert "s3cr3t" not in said
    assert SECRET[6:20] not in said
