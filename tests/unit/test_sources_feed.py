"""What is remembered of feeds."""

from __future__ import annotations

from pathlib import Path

import msgspec

from schemas.records import Heartbeat
from streams.log.base import Item
from streams.sources.embedded_log import open_embedded_log
from streams.sources.feed import FEEDS, Feeder, FeedNote, notes_of
from streams.sources.ingest import Ingest

T0 = 1_736_812_800_000
BEATS = [Heartbeat(f"h{i}", T0 + 1_000 * i) for i in range(5)]


async def test_thousands_of_files_are_named_briefly_with_each_batch(tmp_path: Path) -> None:
    """The name is written with each batch of 2,000 records: of 20,000 files it was 1.6 MB."""
    name = ", ".join(f"/data/{i}.ndjson" for i in range(5_000))
    other = name + ", /data/more.ndjson"
    with open_embedded_log(tmp_path, stamp="recorded", partitions=1, mention_partitions=1) as log:
        feeder = Feeder(await Ingest.open(log))
        assert (await feeder.feed(BEATS[:3], name)).appended == 3
        assert (await feeder.feed(BEATS, name)).passed_over == 3
        assert (await feeder.feed(BEATS[:1], other)).passed_over == 0
        notes = await notes_of(log)
    assert sorted(note.records for note in notes.values()) == [1, 5]
    assert max(map(len, notes)) < 1_000


async def test_a_whole_name_that_was_kept_before_is_still_known(tmp_path: Path) -> None:
    name = ", ".join(f"/data/{i}.ndjson" for i in range(5_000))
    with open_embedded_log(tmp_path, stamp="recorded", partitions=1, mention_partitions=1) as log:
        note = FeedNote(name, 2, BEATS[1].id)
        await log.append(FEEDS, 0, [Item(name.encode(), msgspec.json.encode(note))])
        feeder = Feeder(await Ingest.open(log))
        assert (await feeder.feed(BEATS[:4], name)).passed_over == 2
        assert (await feeder.feed(BEATS, name)).passed_over == 4
