"""The whole way: records POSTed, alerts decided by the agents, webhooks verified."""

from __future__ import annotations

import json
import time
from pathlib import Path

import aiohttp
import pytest

from detectors.settings import EngineSettings
from schemas.decode import encode_record
from schemas.records import Mention, Record, Tick
from schemas.topics import ALERTS
from streams.embedded import EmbeddedOptions, EmbeddedRun, run_embedded
from streams.log.base import Log
from streams.metrics.metrics import Metrics
from streams.run.doors import new_dispatcher, observe, open_door
from streams.run.warm import warm_up
from streams.settings import HttpSettings
from streams.sinks.webhook.settings import EndpointSettings
from streams.web.health import Health
from tests.helpers.crowd import words
from tests.helpers.door import SECRET, Receiver, receiver
from tests.helpers.logs import SETTINGS, TOKENS
from tests.helpers.models import crowd_model
from tests.helpers.served import NDJSON, TOKEN
from tests.helpers.wire import random_records

LIVE = EngineSettings(
    candidate_logit_micro=500_000, candidate_bars=1, min_authors_15m=3, min_traders_15m=3
)


def endpoint(r: Receiver) -> EndpointSettings:
    return EndpointSettings.of(
        {
            "name": "desk",
            "url": r.url,
            "secret": SECRET,
            "allow_private": True,
            "deliver_replayed": True,
            "max_per_day": 1_000_000,
        }
    )


async def post(run: EmbeddedRun, metrics: Metrics, folder: Path, lines: list[bytes]) -> str:
    """POST lines through a door of its own; the metrics page afterwards."""
    settings = HttpSettings(port=0, token=TOKEN)  # type: ignore[arg-type]
    health = Health(on_lag=metrics.loop_lag)
    async with (
        open_door(
            settings, metrics, health, data_dir=folder, ingest=run.ingest, log=run.log
        ) as opened,
        aiohttp.ClientSession() as session,
    ):
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": NDJSON}
        url = f"{opened.served.url}/v1/records"
        async with session.post(url, data=b"\n".join(lines), headers=headers) as answer:
            told = await answer.json()
            assert (answer.status, told["accepted"]) == (200, len(lines)), told
        async with session.get(f"{opened.served.url}/metrics") as answer:
            return await answer.text()


async def alerts_in(log: Log) -> list[bytes]:
    found: list[bytes] = []
    for p in range(await log.partitions(ALERTS)):
        found += [r.value or b"" for r in await log.read(ALERTS, p, 0, 100_000)]
    return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_alert_of_a_recording_arrives_once_by_id(tmp_path: Path, seed: int) -> None:
    lines = [encode_record(r) for r in random_records(seed, n=1_000)]
    options = EmbeddedOptions(
        tmp_path, recorded_time=True, partitions=2, settings=SETTINGS, model=crowd_model()
    )
    async with receiver([500, 204, 503, 429]) as r:
        for times in range(2):
            metrics = Metrics("0")
            dispatcher = new_dispatcher(tmp_path, [endpoint(r)], metrics, replayed=True)
            assert dispatcher is not None
            async with dispatcher, run_embedded(options, sinks=[dispatcher]) as run:
                observe(metrics, run.crew, live=False)
                if times == 0:
                    await post(run, metrics, tmp_path, lines)
                await run.finish()
                assert await dispatcher.settle()
                kept = [json.loads(raw) for raw in await alerts_in(run.log)]
        candidates = [a for a in kept if a["kind"] == "candidate"]
        assert candidates
        assert set(r.ids) == {a["alert_id"] for a in kept}
        assert len(r.got) - len(set(r.ids)) == 3  # one more for each answer that was no 2xx
        by_id = {a["alert_id"]: a for a in kept}
        for got in r.got:
            data = got.verify()["data"]
            assert isinstance(data, dict)
            assert f" {data['kind']}: " in data["summary"]
            del data["expires_at"], data["summary"]
            assert data | {"type": "alert"} == by_id[got.id]


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_burst_of_posts_becomes_a_webhook_within_seconds(tmp_path: Path) -> None:
    options = EmbeddedOptions(tmp_path, recorded_time=False, settings=LIVE, model=crowd_model())
    warm_up(options.detection(), lambda _: None)  # the log's clock goes on while kernels compile
    async with receiver() as r:
        metrics = Metrics("0")
        dispatcher = new_dispatcher(tmp_path, [endpoint(r)], metrics, replayed=False)
        assert dispatcher is not None
        async with dispatcher, run_embedded(options, sinks=[dispatcher]) as run:
            observe(metrics, run.crew, live=True)
            now_ms = time.time_ns() // 1_000_000
            burst: list[Record] = [
                Mention(f"m{i}", now_ms, "x", f"a{i}", words(i, 12), (TOKENS[0],))
                for i in range(20)
            ]
            burst += [
                Tick(f"t{i}", now_ms, TOKENS[0], "0.001", 100, "buy", f"w{i}") for i in range(5)
            ]
            await post(run, metrics, tmp_path, [encode_record(each) for each in burst])
            await r.wait_for(1)
            body = r.got[0].verify()
            page = metrics.render("text/plain")[0].decode()
        assert body["type"] == "golden_dog.candidate"
        data = body["data"]
        assert isinstance(data, dict)
        assert data["token"] == TOKENS[0]
        assert data["mentions_60s"] == 20
        assert 'goldendog_alerts_total{kind="candidate"} 1.0' in page
        assert 'goldendog_stage_duration_seconds_count{stage="detect"}' in page
        assert "goldendog_open_bar_held_seconds{" in page
        assert 'goldendog_log_lag_seconds{input="dex.ticks.v1/0"}' in page
