from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from streams.kafka.log import KafkaLog
from tests.kafka.broker import KafkaBroker, libs_or_skip
from tests.kafka.live import clear
from tests.kafka.rig import EmbeddedRig, KafkaRig, Rig


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A running Apache Kafka; ``bootstrap``, ``kill9()``, ``restart()``."""
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"), libs_or_skip())
    try:
        broker.format()
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def bare_broker(kafka_broker: KafkaBroker) -> Iterator[str]:
    """Address of a broker without our topics, before and after."""
    clear(kafka_broker.bootstrap)
    yield kafka_broker.bootstrap
    clear(kafka_broker.bootstrap)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.broker)])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """Each transport in turn."""
    if request.param == "embedded":
        embedded = EmbeddedRig(tmp_path / "data")
        yield embedded
        embedded.log.close()
        return
    broker: KafkaBroker = request.getfixturevalue("kafka_broker")
    async with KafkaLog(broker.bootstrap) as log:
        yield KafkaRig(broker.bootstrap, log)


@pytest.fixture
async def kafka_rig(kafka_broker: KafkaBroker) -> AsyncIterator[KafkaRig]:
    """Kafka alone."""
    async with KafkaLog(kafka_broker.bootstrap) as log:
        yield KafkaRig(kafka_broker.bootstrap, log)
