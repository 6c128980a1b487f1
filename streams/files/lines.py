"""Lines of a text file, streamed: plain, gzip or zstd, however long a line may be."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, cast

import zstandard

from schemas.decode import MAX_RECORD_BYTES
from schemas.errors import InputFileError
from streams.files.kinds import RecordFile

BLOCK_BYTES: Final = 1 << 18
KEPT_OF_LONG_LINE: Final = 1_024
_BOM: Final = b"\xef\xbb\xbf"

Line = tuple[int, bytes, int]
"""Number of the line (from 1), its bytes without the end, its whole length in bytes.

A line longer than a record may be is cut to its first ``KEPT_OF_LONG_LINE`` bytes."""


def read_lines(file: RecordFile, block_bytes: int = BLOCK_BYTES) -> Iterator[Line]:
    """Lines that are not blank, in order. Memory is bounded by a block and the longest record.

    Raises InputFileError where the file cannot be read to its end, or a packed one is damaged.
    """
    if file.size == 0:
        return
    with _unpacked(file) as stream:
        yield from _split(stream, block_bytes)


def _split(stream: IO[bytes], block_bytes: int) -> Iterator[Line]:
    number, held, length = 0, bytearray(), 0  # length of the unfinished line; held is its start
    first = True
    while block := stream.read(block_bytes):
        if first:
            block, first = block.removeprefix(_BOM), False
        pieces = block.split(b"\n")
        last = pieces.pop()
        for piece in pieces:
            number += 1
            if length:
                length += len(piece)
                held += piece[: max(0, MAX_RECORD_BYTES + 2 - len(held))]
                line, size, length = bytes(held), length, 0
                held.clear()
            else:
                line, size = piece, len(piece)
            if size > MAX_RECORD_BYTES + 1:
                yield number, line[:KEPT_OF_LONG_LINE], size
            elif line := line.strip():
                yield number, line, len(line)
        if last:
            length += len(last)
            held += last[: max(0, MAX_RECORD_BYTES + 2 - len(held))]
    if length:
        line = bytes(held)
        if length > MAX_RECORD_BYTES + 1:
            yield number + 1, line[:KEPT_OF_LONG_LINE], length
        elif line := line.strip():
            yield number + 1, line, len(line)


@contextmanager
def _unpacked(file: RecordFile) -> Iterator[IO[bytes]]:
    try:
        with file.path.open("rb") as raw:
            if file.packing == "gz":
                with gzip.GzipFile(fileobj=raw) as stream:
                    yield cast("IO[bytes]", stream)
            elif file.packing == "zst":
                yield cast("IO[bytes]", _Zstd(raw))
            else:
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise InputFileError(
            f"{file.path} is cut short or damaged ({error})", "copy or download it again"
        ) from None
    except OSError as error:
        raise InputFileError(
            f"{file.path} cannot be read: {error.strerror}", "check the disk and its permissions"
        ) from None


class _Zstd:
    """Reads zstd frames and, unlike the library's own reader, notices where the last is cut."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        self._rest = b""
        self._inside = False

    def read(self, size: int) -> bytes:
        while True:
            block = self._rest or self._raw.read(max(1024, size // 8))
            self._rest = b""
            if not block:
                if self._inside:
                    raise EOFError("its last frame has no end")
                return b""
            if not self._inside:
                self._frame = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
                self._inside = True
            out = self._frame.decompress(block)
            if self._frame.eof:
                self._rest, self._inside = self._frame.unused_data, False
            if out:
                return out
