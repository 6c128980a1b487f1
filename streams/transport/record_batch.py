"""Kafka's record batches (format 2) read into columns, compiled: one pass over the bytes of a batch."""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

import numpy as np
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from numpy.typing import NDArray

from detectors.jit import Int64, int64, jit

HEADER: Final = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, magic, CRC, attributes, last offset delta, first and highest
timestamp, producer id and epoch, first sequence number, count of records."""
MAGIC: Final = 2
_CODECS: Final = {1: gzip_decode, 2: snappy_decode, 3: lz4_decode, 4: zstd_decode}
_CODEC_BITS: Final = 7
_STAMPED_BIT: Final = 8
"""The broker stamped the batch: its highest timestamp is that of every record."""
_LENGTH_END: Final = 12
_MAGIC_AT: Final = 16
_COLUMNS: Final = 6
OFFSET, TIMESTAMP, KEY_START, KEY_END, VALUE_START, VALUE_END = range(_COLUMNS)


class Chunk(NamedTuple):
    """The records of one batch that lie at an offset or after it, not read yet.

    ``payload`` is what follows the header, unpacked. Its ``offset`` is that of its last record, so that
    it may stand for all of them.
    """

    payload: bytes
    n: int
    base_offset: int
    base_timestamp: int
    stamp: int
    offset: int
    least: int = 0


def size_at(raw: bytes, at: int) -> tuple[int, int]:
    r"""Bytes of the batch that begins there, and its format.

    >>> size_at(bytes(11) + b"\x0a" + bytes(4) + b"\x02", 0)
    (22, 2)
    """
    return _LENGTH_END + int.from_bytes(raw[at + 8 : at + _LENGTH_END], "big"), raw[at + _MAGIC_AT]


def count_of(batch: memoryview) -> int:
    """How many records a batch of format 2 has."""
    return int(HEADER.unpack_from(batch)[-1])


def chunk_of(batch: memoryview) -> Chunk:
    """Unpack a batch of format 2."""
    base, _, _, _, _, attributes, last, first_ms, highest_ms, *_, n = HEADER.unpack_from(batch)
    payload = batch[HEADER.size :].tobytes()
    if codec := attributes & _CODEC_BITS:
        payload = bytes(_CODECS[codec](payload))
    stamp = highest_ms if attributes & _STAMPED_BIT else -1
    return Chunk(payload, n, base, first_ms, stamp, base + last)


class Rows(NamedTuple):
    """Where N records lie: int64[6, N] by ``OFFSET`` and so on, keys and values in buffers of their own.

    A key or value that ends before it begins is None. A newline lies between two of them.
    """

    at: NDArray[np.int64]
    keys: bytes
    values: bytes


def rows_of(chunks: list[Chunk]) -> Rows | None:
    """Read chunks of one partition, in order; None where one is not what its header says."""
    n = sum(chunk.n for chunk in chunks)
    size = sum(len(chunk.payload) for chunk in chunks) + n
    at = np.empty((_COLUMNS, n), np.int64)
    keys, values = np.empty(size, np.uint8), np.empty(size, np.uint8)
    done = np.zeros(3, np.int64)
    for chunk in chunks:
        read = read_records(
            np.frombuffer(chunk.payload, np.uint8), chunk.n, chunk.base_offset, chunk.base_timestamp,
            chunk.stamp, chunk.least, at, keys, values, done,
        )  # fmt: skip
        if not read:
            return None
    rows, key_bytes, value_bytes = done.tolist()
    return Rows(at[:, :rows], keys[:key_bytes].tobytes(), values[:value_bytes].tobytes())


def warm_up() -> None:
    """Compile or load what reads records."""
    rows_of([Chunk(b"", 0, 0, 0, -1, 0)])


@jit
def varint(data: NDArray[Any], at: Int64, end: Int64) -> tuple[Int64, Int64]:
    """Zigzag number that begins at ``at``, and where it ends; -1 where it does not.

    >>> varint(np.array([0xAA, 0x03], np.uint8), 0, 2)
    (213, 2)
    """
    value, shift = int64(0), int64(0)
    while at < end and shift < 63:
        byte = np.int64(data[at])
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
    return int64(0), int64(-1)


@jit
def _copied(data: NDArray[Any], at: Int64, size: Int64, out: NDArray[Any], place: Int64) -> Int64:
    """Copy bytes and put a newline behind them; the place after it.

    Indices without a sign: those with one are checked for counting from the end, which keeps the
    compiler from copying many bytes at a time, and took ten times as long.
    """
    for i in range(size):
        out[np.uint64(place + i)] = data[np.uint64(at + i)]
    out[place + size] = 10
    return place + size + 1


@jit
def read_records(
    data: NDArray[Any],
    n: Int64,
    base_offset: Int64,
    base_timestamp: Int64,
    stamp: Int64,
    least: Int64,
    at: NDArray[Any],
    keys: NDArray[Any],
    values: NDArray[Any],
    done: NDArray[Any],
) -> bool:
    """Add the ``n`` records of ``data`` from offset ``least`` on to the columns; False where they are broken.

    ``done`` counts rows, bytes of keys and bytes of values that are written.
    """
    size = np.int64(len(data))
    pos = int64(0)
    for _ in range(n):
        length, pos = varint(data, pos, size)
        end = pos + length
        if pos < 0 or length < 1 or end > size:
            return False
        later_ms, pos = varint(data, pos + 1, end)  # a byte of attributes, unused
        if pos < 0:
            return False
        later, pos = varint(data, pos, end)
        if pos < 0:
            return False
        key_size, key = varint(data, pos, end)
        if key < 0 or key + max(key_size, 0) > end:
            return False
        value_size, value = varint(data, key + max(key_size, 0), end)
        if value < 0 or value + max(value_size, 0) > end:
            return False
        pos = end
        if base_offset + later < least:
            continue
        row = done[0]
        at[0, row] = base_offset + later
        at[1, row] = stamp if stamp >= 0 else base_timestamp + later_ms
        at[2, row] = done[1] + (key_size < 0)
        done[1] = _copied(data, key, max(key_size, 0), keys, done[1])
        at[3, row] = done[1] - 1
        at[4, row] = done[2] + (value_size < 0)
        done[2] = _copied(data, value, max(value_size, 0), values, done[2])
        at[5, row] = done[2] - 1
        done[0] = row + 1
    return True
