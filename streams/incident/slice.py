"""Where an incident begins and ends: states from before it, and the offsets from there on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from detectors.snapshot import unpack_snapshot
from schemas.errors import GapError, StateError, UserError
from schemas.topics import CHECKPOINTS, MENTIONS, TICKS, TOKEN_INFO
from streams.control.decisions import CONTROL_INPUT, Decisions
from streams.incident.files import Begins, Stand
from streams.kafka.log import KafkaLog
from streams.replay.window import QUARTER_MS
from streams.sources.places import Place
from streams.worker.checkpoint import every_whole
from streams.worker.checkpoint_book import Packed
from streams.worker.inputs import input_names

INPUTS: Final = (MENTIONS, TICKS, TOKEN_INFO)


@dataclass(frozen=True)
class Slice:
    """Offsets of each input's partition, ends excluded, and the states that go before them.

    Parameters
    ----------
    begins : with what.
    firsts, ends : by partition.
    stands, states : of each detector partition; none where it does not begin with checkpoints.
    alerted_ms : by detector partition, up to where all alerts are in the topic.
    """

    begins: Begins
    firsts: dict[Place, int]
    ends: dict[Place, int]
    alerted_ms: list[int]
    stands: list[Stand] = field(default_factory=list)
    states: list[Packed] = field(default_factory=list)


async def slice_of(log: KafkaLog, decisions: Decisions, from_ms: int, to_ms: int | None) -> Slice:
    """Find where to begin and end.

    Parameters
    ----------
    decisions : what the capturing side holds to be in force; it must be what the workers have.
    from_ms, to_ms : bars that end after the one and not after the other; None is where topics end.

    Raises
    ------
    UserError : workers were started with other settings, model, lexicon or version.
    GapError : topics have lost what came after the state.
    """
    places = [(t, p) for t in INPUTS for p in range(await log.partitions(t))]
    before: list[Packed | None] = []
    alerted: list[int] = []
    for p in range(await log.partitions(CHECKPOINTS)):
        found, newest = None, None
        async for packed in every_whole(log, p):
            newest = packed.manifest
            found = packed if newest.closed_ms <= from_ms else found
        if newest is not None:
            _refuse_other(decisions, newest.closed_ms, newest.fingerprint)
        before.append(found)
        alerted.append(0 if newest is None else newest.closed_ms)
    ends = {place: await _end(log, place, decisions, to_ms) for place in places}
    states = [packed for packed in before if packed is not None]
    if states and len(states) == len(before):
        stands = [await _stand(log, packed) for packed in states]
        firsts = await _firsts(log, places, stands)
        return Slice("checkpoint", firsts, ends, alerted, stands, states)
    begin_ms = max(from_ms - decisions.history_ms, 0) // QUARTER_MS * QUARTER_MS
    firsts = {place: await log.offset_at(*place, begin_ms) for place in places}
    whole = all(first == 0 for first in firsts.values())
    return Slice("log" if whole else "warmup", firsts, ends, alerted)


def _refuse_other(decisions: Decisions, closed_ms: int, fingerprint: str) -> None:
    ours = decisions.at(closed_ms).fingerprint
    if ours != fingerprint:
        raise UserError(
            f"the workers' state has fingerprint {fingerprint}, and this command {ours}: its settings, "
            "model, lexicon or version are not theirs",
            "give it the --config and --lexicon they have, and run their version",
        )


async def _stand(log: KafkaLog, packed: Packed) -> Stand:
    manifest = packed.manifest
    names = [*input_names(manifest.partition, await log.partitions(MENTIONS)), CONTROL_INPUT]
    checkpoint = await packed.unpacked()
    try:
        progress = unpack_snapshot(checkpoint.state, manifest.fingerprint, names).progress
    except StateError as error:
        raise StateError(f"checkpoint {manifest.checkpoint} cannot be used: {error}") from None
    floors = {name: progress.floor(name) for name in names}
    return Stand(
        manifest.partition,
        manifest.checkpoint,
        manifest.closed_ms,
        manifest.fingerprint,
        {name: progress.offset(name) + 1 for name in names},
        {name: -1 if floor is None else floor for name, floor in floors.items()},
    )


async def _firsts(
    log: KafkaLog, places: Sequence[Place], stands: Sequence[Stand]
) -> dict[Place, int]:
    firsts: dict[Place, int] = {}
    for topic, p in places:
        name = f"{topic}/{p}"
        first = min(s.next_offsets[name] for s in stands if name in s.next_offsets)
        start = await log.start_offset(topic, p)
        if start > first:
            raise GapError(
                f"{name} no longer has offsets {first} to {start - 1}, which came after the last "
                "checkpoint before the incident: name a later --from, or a shorter --last"
            )
        firsts[topic, p] = first
    return firsts


async def _end(log: KafkaLog, place: Place, decisions: Decisions, to_ms: int | None) -> int:
    end = await log.end_offset(*place)
    if to_ms is None:
        return end
    # and one record beyond: it tells that there is nothing more before
    closes_ms = to_ms + decisions.base.settings.lateness_ms
    return min(end, await log.offset_at(*place, closes_ms + 1) + 1)


def resumed_of(stands: Sequence[Stand]) -> Mapping[str, tuple[tuple[int, ...], int]]:
    """By input: next offsets of all who read it, and the log time of the one that stands first."""
    found: dict[str, list[tuple[int, int]]] = {}
    for stand in stands:
        for name, offset in stand.next_offsets.items():
            found.setdefault(name, []).append((offset, stand.log_ms[name]))
    return {name: (tuple(o for o, _ in all_), min(all_)[1]) for name, all_ in found.items()}
