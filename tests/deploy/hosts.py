"""``make deploy-hosts``: deploy/ brought up without Docker, and put through a day.

Each service is a container of ``image.py`` on one bridge, with the name, command, environment, volumes,
ports and health check that compose.yaml gives it, started in its order. The broker is made of the artifacts
of our tests, among which is what Apache's image starts with (``KafkaDockerWrapper``).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, time_ns
from typing import Any
from urllib.parse import quote

import yaml  # type: ignore[import-untyped]

from streams.kafka.log import KafkaLog
from streams.log.partition import partition_of
from tests.deploy.image import NEEDED, Container, build
from tests.deploy.network import addresses_of, network, publish
from tests.deploy.peers import kafka_image, prometheus_image
from tests.deploy.service import DEPLOY, NotSoError, Service, say, seconds_of, until
from tests.helpers.crowd import EAGER, crowd
from tests.kafka.broker import NoBrokerError, fetch_libs
from tests.kafka.live import alerts_in, command, produce

HOST = "localhost:9092"
WORKERS, PARTITIONS = ("worker-1", "worker-2"), 8


class Day:
    """What is done to the services once they are up."""

    def __init__(self, services: dict[str, Service]) -> None:
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


def main() -> int:
    """Bring everything up, go through a day, end everything; 1 where something is not so."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if sys.platform != "linux" or os.geteuid() or missing:
        needs = (
            f"install {', '.join(missing)} (iproute2, util-linux)" if missing else "run it as root"
        )
        print(f"make deploy-hosts makes network namespaces, which Linux lets root do: {needs}")
        return 2
    try:
        libs = fetch_libs()
    except NoBrokerError as error:
        print(f"{error.problem}: {error.remedy}")
        return 2
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    if shutil.which("prometheus") is None:
        del told["prometheus"]
    addresses = addresses_of(told)
    try:
        publish(told, addresses)
    except OSError as error:
        print(f"a port that compose.yaml publishes is taken here: {error}")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is below ends what it started
    with tempfile.TemporaryDirectory(prefix="goldendog-hosts-") as temporary, ExitStack() as ends:
        folder = Path(temporary)
        # Overlays want their layers on another file system than the root below them.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)
        ends.callback(subprocess.check_call, ["umount", "--lazy", folder])
        began = monotonic()
        image = build(DEPLOY / "Dockerfile", DEPLOY.parent, folder / "image")
        say(f"the image is built, user {image.user} ({monotonic() - began:.0f} s)")
        for words in (["--help"], ["doctor"]):
            told_by = Container(image, folder / words[0]).run(*image.entrypoint, *words)
            say(f"goldendog {words[0]}: {told_by.strip().splitlines()[-1].strip()}")
        images = {
            "goldendog": image,
            "apache/kafka": kafka_image(folder / "kafka-image", libs),
            "prom/prometheus": prometheus_image(folder / "prometheus-image"),
        }
        ends.enter_context(network(addresses, folder / "hosts"))
        services = {}
        for name, each in told.items():
            services[name] = Service(name, each, images[each["image"].split(":")[0]], folder)
            ends.callback(services[name].kill)
        try:
            Day(services).run()
        except (NotSoError, AssertionError) as error:
            say(f"NOT SO: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
