"""What stands for the images that others make: Apache Kafka's, and Prometheus's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.deploy.image import Image

RUN_KAFKA = """#!/bin/sh
set -ef
run="java -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp /opt/kafka/libs/*"
told=$($run kafka.docker.KafkaDockerWrapper setup -D /etc/kafka/docker -M /mnt/shared/config \\
    -F /opt/kafka/config 2>&1) || echo "$told" | grep -i "already formatted" || { echo "$told"; exit 1; }
exec $run kafka.Kafka /opt/kafka/config/server.properties
"""
ASK_KAFKA = """#!/bin/sh
exec java -Xmx128m -cp '/opt/kafka/libs/*' org.apache.kafka.tools.BrokerApiVersionsCommand "$@"
"""


def kafka_image(folder: Path, libs: Path) -> Image:
    """What goldendog's services see of the image ``apache/kafka``."""
    image = Image(folder, user="1000:1000", entrypoint=["/etc/kafka/docker/run"])
    shutil.copytree(libs, image.within("/opt/kafka/libs"))
    for path, text in (
        ("/etc/kafka/docker/run", RUN_KAFKA),
        ("/opt/kafka/bin/kafka-broker-api-versions.sh", ASK_KAFKA),
    ):
        image.within(path).parent.mkdir(parents=True)
        image.within(path).write_text(text)
        image.within(path).chmod(0o755)
    for path in ("/var/lib/kafka/data", "/mnt/shared/config", "/opt/kafka/config"):
        image.within(path).mkdir(parents=True)
        os.chown(image.within(path), 1000, 1000)
    image.env["CLUSTER_ID"] = "5L6g3nShT-eMCtK--X86sw"  # its image's default
    return image


def prometheus_image(folder: Path) -> Image:
    """This machine's Prometheus, with the user and the folder of the image ``prom/prometheus``."""
    image = Image(folder, user="65534:65534", entrypoint=["prometheus"])
    image.within("/prometheus").mkdir(parents=True)
    os.chown(image.within("/prometheus"), 65534, 65534)
    return image
