"""/metrics as Prometheus itself reads it: promtool, a real scrape, and our rules on what it got."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from detectors.engine import Engine
from detectors.settings import EngineSettings
from streams.metrics.crew import CrewCollector
from streams.metrics.metrics import Metrics
from streams.web.app import make_web_app, serve
from streams.web.health import Health
from streams.worker.tally import Tally
from tests.helpers.models import crowd_model
from tests.helpers.prometheus import DEPLOY, ROOT, Prometheus, prometheus, promtool

INPUTS = ("social.mentions.v1/0", "dex.ticks.v1/0", "tokens.info.v1/0")
FORBIDDEN = {"token", "token_id", "author", "author_id", "url", "symbol", "trader", "alert_id"}


def engine_held_by_ticks(now_ms: int) -> Engine:
    """An engine whose ticks are 45 s behind."""
    engine = Engine(EngineSettings(), crowd_model(), INPUTS, fingerprint="test")
    for i, name in enumerate(INPUTS):
        engine.push(name, None, 0, now_ms - (45_000 if i == 1 else 0), now_ms - 60_000)
    return engine


def full(now_ms: int) -> Metrics:
    """Metrics of which every family has a sample."""
    metrics = Metrics("1.2.3", "abc")
    tally = Tally()
    tally.count("dex.ticks.v1", "used", 7)
    tally.count("dex.ticks.v1", "clock_fell", 1)
    tally.alerts["candidate"] = 2
    tally.checkpoint_ms[0] = now_ms - 5_000
    tally.checkpoint_bytes[0] = 4_096
    tally.checkpoint_seconds[0] = 0.01
    tally.restore_seconds[0] = 0.2
    metrics.read_records(tally.records)
    engines = {0: engine_held_by_ticks(now_ms)}
    metrics.registry.register(CrewCollector(tally, lambda: engines, live=True))
    metrics.count_records("http", "accepted", 5)
    metrics.count_dead_letters("http", "bad_time", 1)
    metrics.count_request("/v1/records", 200)
    metrics.observe_stage("detect", 0.003)
    metrics.loop_lag(0.001)
    metrics.webhook_attempt("desk", "delivered", 0.02)
    metrics.webhook_settled("desk", "delivered", 1)
    metrics.webhook_waiting("desk", 1, now_ms)
    metrics.webhook_disabled("desk", disabled=False)
    return metrics


def families(metrics: Metrics) -> dict[str, Any]:
    page = metrics.render("text/plain")[0].decode()
    return {f.name: f for f in text_string_to_metric_families(page)}


def test_promtool_finds_nothing_to_say(tmp_path: Path) -> None:
    page = metrics_page()
    assert promtool("check", "metrics", given=page).strip() == ""


def metrics_page() -> bytes:
    return full(time.time_ns() // 1_000_000).render("text/plain")[0]


def test_labels_are_few_and_units_are_base_units() -> None:
    ours = {n: f for n, f in families(full(1)).items() if n.startswith("goldendog_")}
    assert len(ours) >= 25
    for name, family in ours.items():
        labels = {label for sample in family.samples for label in sample.labels}
        assert not labels & FORBIDDEN, name
        assert family.documentation
        assert not re.search(r"_(ms|millis|minutes|kb|mb)(_|$)", name)


def test_the_input_that_holds_bars_open_is_named() -> None:
    found = families(full(1_736_812_800_000))
    [held] = found["goldendog_open_bar_held_seconds"].samples
    assert held.labels == {"partition": "0", "input": "dex.ticks.v1/0"}
    assert held.value == 45
    through = found["goldendog_input_through_timestamp_seconds"].samples
    assert {s.labels["input"]: s.value for s in through}["dex.ticks.v1/0"] == 1_736_812_755


def test_an_input_that_was_never_read_holds_bars_without_end() -> None:
    engine = Engine(EngineSettings(), crowd_model(), INPUTS, fingerprint="test")
    metrics = Metrics("0")
    metrics.registry.register(CrewCollector(Tally(), lambda: {0: engine}, live=False))
    assert families(metrics)["goldendog_open_bar_held_seconds"].samples == []
    engine.push(INPUTS[0], None, 0, 1_736_812_800_000, 1_736_812_800_000)
    [held] = families(metrics)["goldendog_open_bar_held_seconds"].samples
    assert held.value == float("inf")
    assert held.labels["input"] in INPUTS[1:]
    assert "goldendog_log_lag_seconds" not in families(metrics)  # recorded: no lag behind a clock


def test_a_jump_of_the_log_clock_is_counted_once() -> None:
    now = [1_000_000.0]
    engine = Engine(EngineSettings(), crowd_model(), ("log",), fingerprint="test")
    metrics = Metrics("0")
    metrics.registry.register(
        CrewCollector(Tally(), lambda: {0: engine}, live=True, clock_s=lambda: now[0])
    )

    def jumps() -> float:
        [sample] = families(metrics)["goldendog_log_clock_jumps"].samples
        value: float = sample.value
        return value

    engine.push("log", None, 0, 1_000_000_000, 1_000_000_000)
    assert jumps() == 0
    engine.push("log", None, 1, 1_003_000_000)  # 50 minutes ahead
    assert [jumps(), jumps()] == [1, 1]
    now[0] = 1_003_000.0
    assert jumps() == 1
    engine.push("log", None, 2, 1_006_000_000)
    assert jumps() == 2


def test_a_counter_that_is_read_adds_to_what_is_counted() -> None:
    metrics = Metrics("0")
    counter = Counter({("t", "used"): 3})
    metrics.read_records(counter)
    metrics.count_records("t", "used", 2)
    counter["t", "used"] += 10
    [sample] = families(metrics)["goldendog_records"].samples
    assert sample.value == 15


def test_every_metric_and_every_rule_is_explained() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    for name, family in families(full(1)).items():
        if name.startswith("goldendog_"):
            exposed = name + ("_total" if family.type == "counter" else "")
            assert f"`{exposed}`" in text, exposed
    anchors = {h.lower() for h in re.findall(r"^### (\w+)$", text, re.MULTILINE)}
    rules = (DEPLOY / "goldendog.rules.yml").read_text()
    runbooks = re.findall(r"runbook: docs/metrics\.md#(\w+)", rules)
    assert runbooks
    assert set(runbooks) == anchors
    assert len(runbooks) == rules.count("- alert:")


def test_promtool_accepts_the_rules_and_the_example() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(DEPLOY / "goldendog.rules.yml"))
    promtool("check", "config", str(DEPLOY / "prometheus.yml"))


def test_the_rules_fire_when_they_should() -> None:
    promtool("test", "rules", str(ROOT / "tests" / "deploy" / "goldendog.rules.test.yml"))


async def scraped(it: Prometheus, expression: str) -> list[tuple[dict[str, str], float]]:
    """Ask until there is an answer."""
    while not (found := await asyncio.to_thread(it.value_of, expression)):
        await asyncio.sleep(0.2)
    return found


@pytest.mark.timeout(120)
async def test_a_real_prometheus_reads_it_and_evaluates_our_rules(tmp_path: Path) -> None:
    health = Health()
    app = make_web_app(None, full(time.time_ns() // 1_000_000), health)
    served = await serve(app, "127.0.0.1", 0)
    try:
        with prometheus(tmp_path, f"127.0.0.1:{served.port}") as it:
            [(labels, seconds)] = await scraped(it, "goldendog_open_bar_held_seconds")
            assert labels["input"] == "dex.ticks.v1/0"
            assert seconds == 45
            [(labels, _)] = await scraped(it, "goldendog_build_info")
            assert labels["version"] == "1.2.3"
            await scraped(it, "goldendog_stage_duration_seconds_bucket")
            # Held, but not for a minute yet.
            pending = 'ALERTS{alertname="GoldendogBarsHeldOpen",alertstate="pending"}'
            [(labels, _)] = await scraped(it, pending)
            assert labels["input"] == "dex.ticks.v1/0"
            groups = (await asyncio.to_thread(it.get, "rules"))["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            assert {rule["health"] for rule in rules} == {"ok"}
    finally:
        await served.close()
