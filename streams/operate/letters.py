"""Dead letters: finding them, and sending what can be used by now once more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from schemas.decode import decode_as
from schemas.errors import RecordError, UserError
from schemas.records import DeadLetter
from schemas.topics import DEAD_LETTERS, RAW_TOPIC_OF_TYPE
from streams.log.base import Item, Log
from streams.operate.opened import append_all, records_of
from streams.sources.places import key_of, places_of
from streams.worker.dead_letters import KEPT_BYTES

REPLAYED: Final = "replayed"
"""Code of the mark that a letter was sent again: ``field`` is the letter, ``place`` its place."""
_KIND_OF: Final = {topic: kind for kind, topic in RAW_TOPIC_OF_TYPE.items()}
_DECODER: Final = msgspec.json.Decoder(DeadLetter)
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True)
class Letter:
    """A dead letter in its topic.

    ``name`` is its own partition and offset, ``kept_ms`` when it was written; ``sent_to`` the
    topic and partition it was sent to once more, empty where it was not.
    """

    name: str
    kept_ms: int
    letter: DeadLetter
    sent_to: str = ""

    @property
    def topic(self) -> str:
        """Topic of the record it was."""
        return self.letter.place.rsplit("/", 2)[0]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON; ``raw`` as text."""
        plain: dict[str, Any] = msgspec.to_builtins(self.letter)
        plain.pop("type", None)
        plain["raw"] = self.letter.raw.decode(errors="backslashreplace")
        return {"letter": self.name, "kept_ms": self.kept_ms, "sent_to": self.sent_to} | plain


@dataclass(frozen=True)
class Wanted:
    """Which letters: those of a topic, with a code, kept within times; all where None."""

    topic: str | None = None
    code: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether a letter is wanted."""
        return (
            (self.topic is None or letter.topic == self.topic)
            and (self.code is None or letter.letter.code == self.code)
            and (self.from_ms is None or letter.kept_ms >= self.from_ms)
            and (self.to_ms is None or letter.kept_ms < self.to_ms)
        )


async def letters_of(log: Log) -> list[Letter]:
    """Every dead letter of a log, each place and code once, in the order they were written.

    A worker that was killed may have written a letter again: the first stands for both.
    """
    found: dict[tuple[str, str], Letter] = {}
    by_name: dict[str, tuple[str, str]] = {}
    async for record in records_of(log, DEAD_LETTERS):
        try:
            letter = _DECODER.decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # not ours
        if letter.code == REPLAYED:
            key = by_name.get(letter.field)
            if key is not None:
                found[key] = replace(found[key], sent_to=letter.problem)
            continue
        key = letter.place, letter.code
        name = f"{record.partition}/{record.offset}"
        by_name[name] = key
        found.setdefault(key, Letter(name, record.timestamp, letter))
    return list(found.values())


def counts_of(letters: Sequence[Letter]) -> list[tuple[str, str, int]]:
    """How many there are of each topic and code, the most frequent first."""
    counts = Counter((letter.topic, letter.letter.code) for letter in letters)
    return [(topic, code, n) for (topic, code), n in counts.most_common()]


def named(letters: Sequence[Letter], name: str) -> Letter:
    """The letter of a name, or of a place. Raises UserError where there is none."""
    for letter in letters:
        if name in (letter.name, letter.letter.place):
            return letter
    raise UserError(
        f"there is no dead letter {name}", "list them with: goldendog dlq list (its first column)"
    )


@dataclass(frozen=True)
class Sent:
    """What ``send_again`` did: places sent to, letters refused and why, those sent before.

    ``too_old`` counts those sent whose event lies further back than a log that stamps its records
    takes in (``backfill_limit_ms``).
    """

    sent: list[tuple[Letter, str]]
    refused: list[tuple[Letter, str]]
    before: int
    too_old: int = 0


async def send_again(
    log: Log, letters: Sequence[Letter], *, live: bool, backfill_limit_ms: int, dry: bool = False
) -> Sent:
    """Send the raw records of letters to their topics as new ones, each letter once.

    A letter that was sent before is passed over, one whose record still cannot be used is refused.

    Parameters
    ----------
    live : the log stamps records; else a record keeps the log time it had.
    backfill_limit_ms : see ``Sent.too_old``.
    dry : look, and send nothing.
    """
    sent: list[tuple[Letter, str]] = []
    refused: list[tuple[Letter, str]] = []
    fresh = [letter for letter in letters if not letter.sent_to]
    now_ms = time.time_ns() // 1_000_000
    old = 0
    for letter in fresh:
        try:
            place, key, event_ms = await _place_of(log, letter)
        except RecordError as error:
            refused.append((letter, str(error)))
            continue
        old += live and now_ms - event_ms > backfill_limit_ms
        if dry:
            sent.append((letter, f"{place[0]}/{place[1]}"))
            continue
        item = Item(key, letter.letter.raw, letter.letter.ts_log_ms)
        sent.append((letter, await _send(log, letter, place, item, now_ms)))
    return Sent(sent, refused, len(letters) - len(fresh), old)


async def _place_of(log: Log, letter: Letter) -> tuple[tuple[str, int], bytes | None, int]:
    raw = letter.letter.raw
    kind = _KIND_OF.get(letter.topic)
    if kind is None:
        raise RecordError(
            letter.letter.code, f"{letter.topic} is written by goldendog itself",
            remedy="send what it was made of"
        )  # fmt: skip
    if len(raw) >= KEPT_BYTES or not raw:
        what = "was not kept" if not raw else f"was cut to {KEPT_BYTES} bytes"
        raise RecordError(
            letter.letter.code, f"the record {what}", remedy="send it from its source"
        )
    record = decode_as(raw, kind)
    counts = {letter.topic: await log.partitions(letter.topic)}
    places = [place for place in places_of(record, counts) if place[0] == letter.topic]
    return places[0], key_of(record), record.ts_event_ms


async def _send(log: Log, letter: Letter, place: tuple[str, int], item: Item, now_ms: int) -> str:
    """Send one, and note that it was: together where the log can, else one after the other."""
    partition = int(letter.name.split("/")[0])
    where = f"{place[0]}/{place[1]}"

    def mark(text: str) -> tuple[str, int, list[Item]]:
        note = DeadLetter(REPLAYED, text, letter.letter.place, now_ms, letter.name, "nothing to do")
        return DEAD_LETTERS, partition, [Item(None, _ENCODER.encode(note), now_ms)]

    places = [(*place, [item]), mark(where)]
    offsets = await append_all(log, places)
    return f"{where}/{offsets[0][0]}"
