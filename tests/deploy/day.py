"""The day that what deploy/ starts is put through, whoever starts it."""

from __future__ import annotations

import asyncio
import json
import signal
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from time import monotonic, time_ns
from typing import Any, Protocol
from urllib.parse import quote

from streams.kafka.log import KafkaLog
from streams.log.partition import partition_of
from tests.deploy.service import NotSoError, say, seconds_of, until
from tests.helpers.crowd import EAGER, crowd
from tests.kafka.live import alerts_in, command, produce

HOST = "localhost:9092"
WORKERS, PARTITIONS = ("worker-1", "worker-2"), 8


class Run(Protocol):
    """A service of compose.yaml that something can start and end."""

    name: str
    told: dict[str, Any]

    def start(self) -> None:
        """As ``docker start`` does."""

    def end_well(self, seconds: float) -> None:
        """Start it, and wait for its end, which must be a good one."""

    def await_healthy(self) -> None:
        """Until its own check is content, within the time that its check allows."""

    def end(self, what: signal.Signals, seconds: float) -> int:
        """Send a signal to process 1, and await its end; the exit code."""

    def tail(self) -> str:
        """The end of what it said."""


class Day:
    """What is done to the services once they are up."""

    def __init__(self, services: Mapping[str, Run]) -> None:
        self.services = services
        self.workers = [services[name] for name in WORKERS]
        self.rounds = 0
        self.told: set[str] = set()

    def get(self, name: str, path: str) -> Any:
        """Ask a worker at its published port; None where nobody answers."""
        at, port, _ = self.services[name].told["ports"][0].split(":")
        try:
            with urllib.request.urlopen(f"http://{at}:{port}{path}", timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:  # else Python 3.14 warns of it
                return json.load(error)
        except (OSError, ValueError):
            return None

    def shares(self, *names: str) -> dict[str, list[int]] | None:
        """Detector partitions of these workers, once they are ready and hold them all."""
        found = {name: self.get(name, "/readyz") for name in names}
        if not all(told and told["ready"] for told in found.values()):
            return None
        held = {
            name: sorted(e["partition"] for e in told["partitions"] if e["stage"] == "detect")
            for name, told in found.items()
        }
        whole = sorted(p for each in held.values() for p in each) == list(range(PARTITIONS))
        return held if whole and all(held.values()) else None

    async def alert(self, kind: str, price_usd: str) -> dict[str, Any]:
        """Have a crowd talk and trade through the broker's published port until an alert is there."""
        began = monotonic()
        async with KafkaLog(HOST) as log:
            while monotonic() - began < 180:
                self.rounds += 1
                await produce(log, crowd(self.rounds, time_ns() // 1_000_000, price_usd))
                found = [json.loads(raw) for raw in await alerts_in(log, PARTITIONS)]
                if len({told["alert_id"] for told in found}) < len(found):
                    raise NotSoError(f"an alert is there twice: {found}")
                for told in found:
                    if told["kind"] == kind and told["alert_id"] not in self.told:
                        self.told.add(told["alert_id"])
                        say(f"alert: {kind} of {told['token']} ({monotonic() - began:.1f} s)")
                        return dict(told)
                await asyncio.sleep(0.3)
        raise NotSoError(f"no {kind} within 180 s")

    def run(self) -> None:
        """From the first start to the last stop."""
        kafka, topics = self.services["kafka"], self.services["topics"]
        kafka.start()
        kafka.await_healthy()
        topics.end_well(60)
        for worker in self.workers:
            worker.start()
        for worker in self.workers:
            worker.await_healthy()
        shares = self.shared()
        # The sooner an alert comes, the sooner this ends; the change is one of a user's, too.
        for name, value in tomllib.loads(EAGER)["engine"].items():
            command("control", "set", "--bootstrap", HOST, "--", f"engine.{name}", str(value))
        first = asyncio.run(self.alert("candidate", "0.01"))
        self.scrape()
        self.take_over(first, shares)
        kafka.end(signal.SIGKILL, 10)
        kafka.start()
        kafka.await_healthy()
        topics.end_well(60)
        self.shared()
        asyncio.run(self.alert("update", "0.25"))
        for service in (*self.workers, kafka):
            code = service.end(signal.SIGTERM, seconds_of(service.told["stop_grace_period"]))
            if code not in (0, 143 if service is kafka else 0):  # 143: Java, after SIGTERM
                raise NotSoError(f"{service.name} ended with code {code}: {service.tail()}")

    def take_over(self, first: dict[str, Any], shares: dict[str, list[int]]) -> None:
        """End the worker that knows the coin; the other must go on with its episode."""
        held = partition_of(first["token"].encode(), PARTITIONS)
        [name] = [name for name, each in shares.items() if held in each]
        [other] = {*WORKERS} - {name}
        self.services[name].end(signal.SIGKILL, 10)
        until(f"{other} is ready with all partitions", 60, lambda: self.shares(other))
        told = asyncio.run(self.alert("update", "0.05"))
        if told["ts_episode_start_ms"] != first["ts_episode_start_ms"]:
            raise NotSoError(f"not the episode that was open: {first}, {told}")
        self.services[name].start()
        self.services[name].await_healthy()
        self.shared()

    def shared(self) -> dict[str, list[int]]:
        """Wait until both workers are ready with a share each."""
        found = until("both are ready", 60, lambda: self.shares(*WORKERS))
        say(f"partitions of detect: {found}")
        return dict(found)

    def scrape(self) -> None:
        """Have Prometheus, if it is there, scrape both and load our rules."""
        if (service := self.services.get("prometheus")) is None:
            say("prometheus is not installed here: left out")
            return
        service.start()
        wanted = {f"{name}:8080": "1" for name in WORKERS}

        def up() -> bool:
            asked = self.get("prometheus", "/api/v1/query?query=" + quote('up{job="goldendog"}'))
            found = asked["data"]["result"] if asked else []
            return {e["metric"]["instance"]: e["value"][1] for e in found} == wanted

        until("prometheus scrapes both workers", 60, up)
        groups = self.get("prometheus", "/api/v1/rules")["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        if not rules or any(rule["health"] == "err" for rule in rules):
            raise NotSoError(f"rules: {rules}")
        say(f"prometheus has {len(rules)} rules")
