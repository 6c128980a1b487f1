"""Webhooks against a real server on loopback, verified by the independent library."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError
from structlog.testing import capture_logs

from streams.sinks.webhook.dispatcher import Dispatcher
from streams.sinks.webhook.outbox import Outbox
from streams.sinks.webhook.settings import EndpointSettings
from tests.helpers.door import OTHER_SECRET, SECRET, Door, alert, endpoint, hanging, receiver

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


async def test_a_follow_up_is_sent_whose_candidate_another_worker_has(tmp_path: Path) -> None:
    async with receiver() as r, Door(tmp_path, endpoint(r.url, max_per_day=1), shared=True) as door:
        now = door.clock.ms
        await door.dispatcher.offer(
            [
                alert("a", now, 0.9),
                alert("b", now, 0.8),  # the budget is one
                alert("b", now, 0.99, "update"),
                alert("c", now, 0.9, "fading"),  # another worker had its candidate
            ]
        )
        await door.until("gd_c2", "delivered")
        await door.until("gd_b1", "skipped")
        assert set(r.ids) == {"gd_a", "gd_c2"}


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


async def test_what_has_no_probability_is_held_back_by_the_budget_alone(tmp_path: Path) -> None:
    async with receiver() as r:
        chosen = endpoint(r.url, min_probability=0.5, max_per_day=2)
        async with Door(tmp_path, chosen) as door:
            now = door.clock.ms
            await door.dispatcher.offer(
                [alert(name, now + k, None) for k, name in enumerate("abc")]
            )
            await door.until("gd_c", "dropped_by_budget")
            await door.until("gd_b", "delivered")
        assert r.ids == ["gd_a", "gd_b"]
        assert json.loads(r.got[0].body)["data"]["probability"] is None


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
    async with hanging() as (url, _), receiver() as r:
        slow = endpoint(url, name="slow", timeout_s=0.3)
        async with Door(tmp_path, slow, endpoint(r.url)) as door:
            await door.dispatcher.offer([alert("a", door.clock.ms)])
            await door.until("gd_a", "delivered")
            await door.attempted("gd_a", 2)
            outcomes = {(a.endpoint, a.outcome) for a in door.outbox.attempts("gd_a")}
            assert outcomes == {("desk", "delivered"), ("slow", "timeout")}
            assert door.outbox.spent("slow", door.clock.ms // DAY) == 1  # it may have been read


async def test_whoever_stops_sends_what_is_due(tmp_path: Path) -> None:
    names = [chr(ord("a") + k) for k in range(20)]
    async with receiver() as r:
        async with Door(tmp_path, endpoint(r.url, max_per_day=1_000)) as door:
            await door.dispatcher.offer([alert(name, door.clock.ms) for name in names])
        assert sorted(r.ids) == [f"gd_{name}" for name in names]


async def test_what_is_not_due_or_hangs_stays_and_is_told(tmp_path: Path) -> None:
    async with hanging() as (url, let_go), receiver([503]) as r:
        ends = endpoint(r.url, name="later"), endpoint(url, name="hangs")
        door = Door(tmp_path, *ends)
        await door.dispatcher.start()
        await door.dispatcher.offer([alert("a", door.clock.ms)])
        await door.attempted("gd_a", 1)
        with capture_logs() as told:
            await door.dispatcher.stop(drain_s=0.2)
        waits = [line for line in told if "wait in the outbox" in line["event"]]
        assert [(w["endpoint"], w["waiting"]) for w in waits] == [("later", 1), ("hangs", 1)]
        async with Door(tmp_path, *ends) as again:
            let_go.set()
            await again.until("gd_a", "delivered", "hangs")
            again.pass_time(10)
            await again.until("gd_a", "delivered", "later")
