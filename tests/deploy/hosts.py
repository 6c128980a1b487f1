"""``make deploy-hosts``: deploy/ brought up without Docker, and put through a day.

Each service is a container of ``image.py`` on one bridge, with the name, command, environment, volumes,
ports and health check that compose.yaml gives it, started in its order. The broker is made of the artifacts
of our tests, among which is what Apache's image starts with (``KafkaDockerWrapper``). Where Docker runs, its
firewall keeps such containers apart: there, ``make deploy-docker`` is the better test anyway.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import yaml  # type: ignore[import-untyped]

from tests.deploy.day import Day
from tests.deploy.image import NEEDED, Container, build
from tests.deploy.network import addresses_of, network, publish
from tests.deploy.peers import kafka_image, prometheus_image
from tests.deploy.service import DEPLOY, NotSoError, Service, say
from tests.kafka.broker import NoBrokerError, fetch_libs


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
