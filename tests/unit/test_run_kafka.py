"""What a worker on Kafka makes of what it was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from detectors.model import blank_model
from detectors.resolve.lexicon import Lexicon
from schemas.errors import UserError
from streams.detection import Detection
from streams.embedded import EMPTY_LEXICON
from streams.run.kafka import KafkaPlan, _crew_options
from streams.settings import Settings
from streams.sources.places import DETECTOR_INPUTS
from streams.worker.app import CrewOptions
from tests.helpers.memory_log import MemoryLog


async def options(*, heartbeats: bool | None, live: bool) -> CrewOptions:
    settings, model = Settings(), blank_model()
    plan = KafkaPlan(settings, EMPTY_LEXICON, model, heartbeats=heartbeats)
    detection = Detection(settings.engine, model, Lexicon.parse(EMPTY_LEXICON))
    log: Any = MemoryLog(dict.fromkeys(DETECTOR_INPUTS, 1))
    return await _crew_options(plan, log, detection, (), (), live=live)


@pytest.mark.parametrize(
    ("heartbeats", "live", "beats", "holds"),
    [
        (None, True, True, True),
        (True, True, True, True),
        (False, True, False, False),
        (None, False, False, True),
        (False, False, False, False),
    ],
)
async def test_heartbeats_are_sent_where_topics_stamp_and_nobody_objects(
    *, heartbeats: bool | None, live: bool, beats: bool, holds: bool
) -> None:
    found = await options(heartbeats=heartbeats, live=live)
    assert (found.beats is not None, found.holds) == (beats, holds)


async def test_no_heartbeat_of_now_comes_into_topics_that_keep_recorded_times() -> None:
    with pytest.raises(UserError, match=r"close every bar of theirs.*leave it out"):
        await options(heartbeats=True, live=False)
