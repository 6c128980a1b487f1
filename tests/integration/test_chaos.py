"""The short form of ``make chaos``: the scenarios that tell most."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.local_kafka.broker import KafkaBroker
from tests.chaos.scenarios import BY_NAME, SHORT, run

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.mark.timeout(600)  # the kernels may have to be compiled first, on a busy machine
@pytest.mark.parametrize("name", SHORT)
async def test_trouble_changes_no_alert(
    name: str, kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    verdict = await run(BY_NAME[name], kafka_broker, tmp_path)
    assert verdict.held, verdict.wrong
    assert verdict.alerts == verdict.expected == verdict.delivered > 50
