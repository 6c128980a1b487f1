"""What a heartbeat of the control topic vouches for: all that was read before it, so that few read it all.

It is the heartbeat's message key. The topic alone says what is in force: what is vouched for can be read
there too, and counts only where the record that it names stands where it says.
"""

from __future__ import annotations

from typing import Final

import msgspec
import xxhash
from msgspec import Struct

from schemas.decode import decode_as
from schemas.errors import RecordError
from schemas.records import Heartbeat
from streams.log.base import LogRecord
from streams.sources_hash import sources_hash

EVERY: Final = 500
"""Records after which a heartbeat vouches again: about so many are read at a start."""
LOOK_BACK: Final = 4 * EVERY
"""Records before the end among which one that vouches is looked for."""
MOST_BYTES: Final = 256_000
"""Of a key; what would take more is not vouched for, and read at each start."""
_FORMAT: Final = 1
_PREFIX: Final = b'{"vouched":%d,' % _FORMAT


class Vouched(Struct, frozen=True, forbid_unknown_fields=True):
    """How far a control topic was read, and what was heard in it.

    Parameters
    ----------
    vouched : the format.
    code : hash of the sources that read it; others may make something else of the same records.
    next : offset up to which it was read, that one excluded.
    mark : of the record before it.
    through_ms : log time reached, clamped.
    start_ms : when the log began.
    changes : log time, clamped, and value of every control record, in order.
    """

    vouched: int
    code: str
    next: int
    mark: str
    through_ms: int
    start_ms: int
    changes: tuple[tuple[int, str], ...]


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Vouched)


def mark_of(record: LogRecord) -> str:
    """What tells a record of one topic from one at the same offset of another.

    >>> mark_of(LogRecord("control.v1", 0, 3, 1_736_812_800_000, None, b"{}"))
    '3-651f10ff9ead6de9'
    """
    digest = xxhash.xxh64(b"%d " % record.timestamp + (record.value or b"")).hexdigest()
    return f"{record.offset}-{digest}"


def key_of(
    last: LogRecord, through_ms: int, start_ms: int, changes: tuple[tuple[int, str], ...]
) -> bytes | None:
    """The key of a heartbeat that vouches for everything up to a record; None where it would be too large."""
    vouched = Vouched(
        _FORMAT, sources_hash(), last.offset + 1, mark_of(last), through_ms, start_ms, changes
    )
    key = _ENCODER.encode(vouched)
    return key if len(key) <= MOST_BYTES else None


def vouched_by(record: LogRecord) -> Vouched | None:
    """What a record vouches for; None where it is no heartbeat that vouches."""
    if not (record.key or b"").startswith(_PREFIX):
        return None
    try:
        found = _DECODER.decode(record.key or b"")
        beat = decode_as(record.value or b"", "control")
    except (msgspec.DecodeError, RecordError):
        return None
    sound = isinstance(beat, Heartbeat) and 0 < found.next <= record.offset
    return found if sound and found.code == sources_hash() else None
