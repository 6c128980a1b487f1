"""Webhooks against a real server on loopback, verified by the independent library."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from schemas.errors import BusyError, ConfigError, StateError
from streams.sinks.webhook.dispatcher import Dispatcher
from streams.sinks.webhook.outbox import Outbox
from streams.sinks.webhook.secret import WebhookSecret
from streams.sinks.webhook.settings import EndpointSettings
from tests.helpers.door import OTHER_SECRET, SECRET, Door, Receiver, alert, endpoint, receiver

DAY = 86_400_000


async def test_a_delivered_alert_verifies_and_carries_its_expiry(tmp_path: Path) -> None:
    # The signature covers the real time of the attempt, so this test's clock is the real one.
    async with receiver() as r:
        outbox = Outbox(tmp_path / "o.sqlite")
        async with Dispatcher(outbox, [endpoint(r.url)]) as dispatcher:
            now = dispatcher._clock_ms()
            assert await dispatcher.offer([alert("a", now)]) == 1
            assert await dispatcher.settle()
        [got] = r.got
        body: Any = got.verify()
        assert got.id == "gd_a" == body["data"]["alert_id"]
        assert body["type"] == "golden_dog.candidate"
        assert body["data"]["ts_available_ms"] == now
        assert body["data"]["expires_at"].endswith("Z")
        assert body["data"]["reasons"][0]["feature"] == "authors_z"
        assert len(got.body) < 20_000
        with pytest.raises(WebhookVerificationError):
            got.verify(OTHER_SECRET)
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(got.body.replace(b"0.9", b"0.1"), got.headers)


async def test_while_rotating_both_secrets_verify(tmp_path: Path) -> None:
    async with receiver() as r:
        both = EndpointSettings.of(
            {"name": "d", "url": r.url, "secrets": [SECRET, OTHER_SECRET], "allow_private": True}
        )
        async with Dispatcher(Outbox(tmp_path / "o.sqlite"), [both]) as dispatcher:
            await dispatcher.offer([alert("a", dispatcher._clock_ms())])
            assert await dispatcher.settle()
        assert r.got[0].verify(SECRET) == r.got[0].verify(OTHER_SECRET)


@pytest.mark.parametrize("status", [500, 502, 503, 429, 404])
async def test_what_may_pass_is_retried_with_the_same_id_and_body(
    tmp_path: Path, status: int
) -> None:
    async with receiver([status, status]) as r, Door(tmp_path, endpoint(r.url)) as door:
        await door.dispatcher.offer([alert("a", door.clock.ms)])
        for attempt in (1, 2):
            await door.attempted("gd_a", attempt)
            door.pass_time(0.9 * 2**attempt / 2)
            await asyncio.sleep(0.15)
            assert len(r.got) == attempt  # not before its time
            door.pass_time(0.2 * 2**attempt / 2)
            await r.wait_for(attempt + 1)
        await door.until("gd_a", "delivered")
        assert r.ids == ["gd_a"] * 3
        assert len({g.body for g in r.got}) == 1
        assert [a.status for a in door.outbox.attempts("gd_a")] == [status, status, 204]
        times = [int(g.headers["webhook-timestamp"]) for g in r.got]
        assert times[2] > times[0]  # each attempt is stamped with its own time


async def test_a_redirect_fails_and_is_never_followed(tmp_path: Path) -> None:
    async with receiver() as target:
        moved = web.Response(status=307, headers={"Location": target.url})
        async with receiver([moved]) as r, Door(tmp_path, endpoint(r.url)) as door:
            await door.dispatcher.offer([alert("a", door.clock.ms)])
            await door.until("gd_a", "failed")
            assert (len(r.got), len(target.got)) == (1, 0)


async def test_retry_after_is_honoured_for_the_whole_endpoint(tmp_path: Path) -> None:
    busy = web.Response(status=429, headers={"Retry-After": "100"})
    async with receiver([busy]) as r, Door(tmp_path, endpoint(r.url)) as door:
        await door.dispatcher.offer([alert("a", door.clock.ms)])
        await door.attempted("gd_a", 1)
        await door.dispatcher.offer([alert("b", door.clock.ms, 0.99)])
        door.pass_time(99)
        await asyncio.sleep(0.2)
        assert r.ids == ["gd_a"]
        door.pass_time(1.1)
        await r.wait_for(3)
        assert r.ids == ["gd_a", "gd_b", "gd_a"]


async def test_a_wait_longer_than_the_alert_is_fresh_ends_it(tmp_path: Path) -> None:
    busy = web.Response(status=503, headers={"Retry-After": "1000"})
    async with receiver([busy]) as r, Door(tmp_path, endpoint(r.url)) as door:
        await door.dispatcher.offer([alert("a", door.clock.ms)])
        await door.until("gd_a", "expired")
        assert len(r.got) == 1


async def test_410_disables_the_endpoint_until_it_is_enabled_or_moves(tmp_path: Path) -> None:
    async with receiver([410]) as r:
        async with Door(tmp_path, endpoint(r.url)) as door:
            await door.dispatcher.offer([alert("a", door.clock.ms), alert("b", door.clock.ms, 0.5)])
            await door.until("gd_a", "failed")
            await door.until("gd_b", "failed")
            assert door.outbox.disabled("desk")
            assert await door.dispatcher.offer([alert("c", door.clock.ms)]) == 0
            assert r.ids == ["gd_a"]
        async with Door(tmp_path, endpoint(r.url)) as door:  # it outlives a restart
            assert await door.dispatcher.offer([alert("d", door.clock.ms)]) == 0
        async with Door(tmp_path, endpoint(r.url + "/new")) as door:
            await door.dispatcher.offer([alert("e", door.clock.ms)])
            await door.until("gd_e", "delivered")
        assert r.ids == ["gd_a", "gd_e"]


async def test_nothing_stale_is_sent_after_a_restart(tmp_path: Path) -> None:
    async with receiver([500]) as r:
        async with Door(tmp_path, endpoint(r.url)) as door:
            await door.dispatcher.offer([alert("old", door.clock.ms)])
            await door.attempted("gd_old", 1)
            started = door.clock.ms
        late = Door(tmp_path, endpoint(r.url))
        late.clock.ms = started + 900_000  # exactly max_age: open end, so no longer fresh
        async with late as door:
            await door.until("gd_old", "expired")
            await door.dispatcher.offer([alert("older", started - 1), alert("new", late.clock.ms)])
            await door.until("gd_new", "delivered")
            assert door.outbox.state("desk", "gd_older") == "expired"
        assert r.ids == ["gd_old", "gd_new"]


async def test_an_alert_offered_again_is_not_sent_again(tmp_path: Path) -> None:
    async with receiver() as r:
        for _ in range(2):
            async with Door(tmp_path, endpoint(r.url)) as door:
                for _ in range(3):
                    await door.dispatcher.offer([alert("a", door.clock.ms)])
                await door.until("gd_a", "delivered")
        assert r.ids == ["gd_a"]


async def test_of_several_ready_the_most_probable_goes_first(tmp_path: Path) -> None:
    async with receiver() as r, Door(tmp_path, endpoint(r.url)) as door:
        now = door.clock.ms
        await door.dispatcher.offer([alert("a", now, 0.5), alert("b", now, 0.7)])
        await door.dispatcher.offer([alert("c", now, 0.9)])  # another partition, a moment later
        await door.dispatcher.offer([alert("d", now, 0.6)])
        await r.wait_for(4)
        assert r.ids == ["gd_c", "gd_b", "gd_d", "gd_a"]


async def test_the_budget_is_never_passed_and_a_new_day_brings_a_new_one(tmp_path: Path) -> None:
    async with receiver() as r, Door(tmp_path, endpoint(r.url, max_per_day=3)) as door:
        now = door.clock.ms  # midnight
        await door.dispatcher.offer([alert(f"n{i}", now + i, 0.990 + i / 1000) for i in range(8)])
        for i in range(8):
            await door.until(f"gd_n{i}", "delivered" if i >= 5 else "dropped_by_budget")
        assert r.ids == ["gd_n7", "gd_n6", "gd_n5"]
        door.pass_time(DAY / 1000)
        await door.dispatcher.offer([alert("next", now + DAY, 0.2)])
        await door.until("gd_next", "delivered")


async def test_the_bar_rises_as_the_budget_is_spent(tmp_path: Path) -> None:
    async with receiver() as r, Door(tmp_path, endpoint(r.url, max_per_day=4)) as door:
        now = door.clock.ms
        for name, p, state in (
            ("a", 0.3, "delivered"),  # nothing spent: any will do
            ("b", 0.3, "delivered"),  # 1 of 4 spent: the bar is 0.25
            ("c", 0.3, "dropped_by_budget"),  # 2 of 4: 0.5
            ("d", 0.6, "delivered"),
            ("e", 0.6, "dropped_by_budget"),  # 3 of 4: 0.75
        ):
            await door.dispatcher.offer([alert(name, now, p)])
            await door.until(f"gd_{name}", state)
        door.pass_time(18 * 3600)  # three quarters of the day: on schedule again
        await door.dispatcher.offer([alert("f", now + 18 * 3_600_000, 0.1)])
        await door.until("gd_f", "delivered")
        assert len(r.got) == 4


async def test_a_refused_connection_gives_the_budget_back(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        async with Door(tmp_path, endpoint(dead, max_per_day=1, max_age_s=1)) as door:
            await door.dispatcher.offer([alert("a", door.clock.ms)])
            await door.until("gd_a", "expired")  # the first wait would outlast its freshness
            assert door.outbox.spent("desk", door.clock.ms // DAY) == 0


async def test_follow_ups_come_in_order_and_only_after_a_sent_candidate(tmp_path: Path) -> None:
    async with receiver([500]) as r, Door(tmp_path, endpoint(r.url, max_per_day=1)) as door:
        now = door.clock.ms
        await door.dispatcher.offer(
            [
                alert("a", now, 0.9),
                alert("b", now, 0.8),  # the budget is one
                alert("b", now, 0.99, "update"),
                alert("a", now, 0.3, "fading"),
                alert("a", now, 0.95, "update"),
                alert("c", now, 0.9, "closed"),  # its candidate was never offered
            ]
        )
        await door.attempted("gd_a", 1)
        await door.until("gd_c3", "skipped")
        await door.until("gd_b", "dropped_by_budget")
        await door.until("gd_b1", "skipped")
        assert r.ids == ["gd_a"]  # its follow-ups wait while it is retried
        door.pass_time(2)
        await door.until("gd_a2", "delivered")
        assert r.ids == ["gd_a", "gd_a", "gd_a1", "gd_a2"]
        types = [json.loads(g.body)["type"] for g in r.got[1:]]
        assert types == ["golden_dog.candidate", "golden_dog.updated", "golden_dog.fading"]


async def test_kinds_are_chosen_by_the_endpoint(tmp_path: Path) -> None:
    async with receiver() as r:
        chosen = endpoint(r.url, kinds=["candidate", "closed"], min_probability=0.5)
        async with Door(tmp_path, chosen) as door:
            now = door.clock.ms
            kinds = ("candidate", "update", "fading", "closed")
            await door.dispatcher.offer([alert("a", now, 0.6, kind) for kind in kinds])
            await door.dispatcher.offer([alert("b", now, 0.49)])
            await door.until("gd_a3", "delivered")
            await door.until("gd_b", "dropped_by_budget")
        assert r.ids == ["gd_a", "gd_a3"]


async def test_replayed_alerts_go_only_where_they_are_wanted(tmp_path: Path) -> None:
    async with receiver() as r:
        plain = endpoint(r.url)
        wants = endpoint(r.url + "/wants", name="wants", deliver_replayed=True)
        async with Door(tmp_path, plain, wants, replayed=True) as door:
            old = alert("a", door.clock.ms - 300 * DAY)
            assert await door.dispatcher.offer([old]) == 1
            await door.until("gd_a", "delivered", "wants")
        assert len(r.got) == 1


async def test_one_dead_endpoint_does_not_hold_up_another(tmp_path: Path) -> None:
    hangs = asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        await hangs.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", hang)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    slow = endpoint(f"http://127.0.0.1:{runner.addresses[0][1]}/", name="slow", timeout_s=0.3)
    async with receiver() as r, Door(tmp_path, slow, endpoint(r.url)) as door:
        await door.dispatcher.offer([alert("a", door.clock.ms)])
        await door.until("gd_a", "delivered")
        await door.attempted("gd_a", 2)
        outcomes = {(a.endpoint, a.outcome) for a in door.outbox.attempts("gd_a")}
        assert outcomes == {("desk", "delivered"), ("slow", "timeout")}
        assert door.outbox.spent("slow", door.clock.ms // DAY) == 1  # it may have been read
    hangs.set()
    await runner.cleanup()


async def test_an_endless_answer_is_not_read(tmp_path: Path) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x" * 65_536)
        except ConnectionError:
            return answer

    app = web.Application()
    app.router.add_post("/", flood)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with Door(tmp_path, endpoint(url)) as door:
        await door.dispatcher.offer([alert("a", door.clock.ms)])
        await door.until("gd_a", "delivered")
    await runner.cleanup()


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
    with pytest.raises(StateError, match="damaged"):
        Outbox(tmp_path / "text")


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
