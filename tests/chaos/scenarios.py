"""Every scenario by name: what it does to its stage, and how its stage is set."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any

from detectors.resolve.lexicon import Lexicon
from detectors.settings import EngineSettings
from streams.detection import Detection
from streams.local_kafka.broker import KafkaBroker
from streams.model_store import default_folder, load_model
from streams.run.warm import warm_up
from tests.chaos import brokers, crowds, kills, losses, pacing, short, states
from tests.chaos.stage import Stage, stage
from tests.chaos.verdict import Prefix, Verdict, judge
from tests.chaos.waves import lexicon

Act = Callable[[Stage], Awaitable[list[bytes] | Prefix | None]]
"""Does a scenario's mischief; gives the alerts to expect where a replay of the topics is not it."""


@dataclass(frozen=True)
class Scenario:
    """What is done, and where."""

    name: str
    act: Act
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def about(self) -> str:
        """One line."""
        return (self.act.__doc__ or "").splitlines()[0]


ALL = (
    Scenario("in-short", short.in_short),
    Scenario("kill-at-20-points", kills.at_points),
    Scenario("kill-all-at-once", kills.all_at_once),
    Scenario("kill-static-member", kills.static_member),
    Scenario("kill-between-partitions", kills.between_partitions),
    Scenario("kill-amid-delivery", kills.amid_delivery),
    Scenario("storm", kills.storm),
    Scenario("join-and-leave", crowds.join_and_leave),
    Scenario("frozen-worker", crowds.frozen),
    Scenario("drained-under-load", pacing.drained),
    Scenario("silent-input", pacing.silent_input),
    Scenario("twin-resolver", crowds.twin_resolver),
    Scenario("broker-restart", brokers.restart),
    Scenario("stopped-without-broker", brokers.stopped_without),
    Scenario("full-buffer", brokers.full_buffer),
    Scenario("spoilt-checkpoints", states.torn_and_corrupted),
    Scenario("poison", states.poison),
    Scenario("aborted-transactions", states.aborted_transactions),
    Scenario("truncated-topic", losses.truncated),
    Scenario("recreated-topic", losses.recreated),
    Scenario("clock-ahead", states.clock_ahead),
    Scenario("changes", states.changes),
    Scenario("poison-and-changes", states.poison_and_changes),
)
BY_NAME = {scenario.name: scenario for scenario in ALL}
SHORT = ("in-short",)


@lru_cache
def _warm() -> None:
    """Have the kernels compiled, so that no worker does it while a scenario waits for it."""
    model = load_model(default_folder())
    words = Lexicon.parse(json.dumps(lexicon()).encode())
    warm_up(Detection(EngineSettings(), model, words, "alerts"), lambda _: None)


async def run(scenario: Scenario, broker: KafkaBroker, folder: Path) -> Verdict:
    """Play one scenario; what went wrong is in its verdict."""
    await asyncio.to_thread(_warm)
    began = monotonic()
    async with stage(broker, folder / scenario.name, **scenario.options) as it:
        try:
            expected = await scenario.act(it)
            verdict = await judge(it, scenario.name, expected)
        except AssertionError as error:
            verdict = Verdict(scenario.name, [str(error)], records=it.fed, notes=it.notes)
    verdict.seconds = monotonic() - began
    return verdict
