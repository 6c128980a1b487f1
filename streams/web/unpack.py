"""Unpacks a request's body as it comes, a little at a time, so that a bomb never goes off."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

import zstandard

from schemas.errors import GoldendogError

ENCODINGS: Final = ("identity", "gzip", "zstd")
STEP_BYTES: Final = 1 << 17
_ZSTD_SLICE: Final = 256
"""Compressed bytes given to zstd at once: its blocks of 128 KiB may take four bytes each."""
_ZSTD_WINDOW: Final = 1 << 23
"""RFC 9659: a decoder of HTTP bodies need not hold more than 8 MiB."""


class DamagedBodyError(GoldendogError):
    """The body is not what its Content-Encoding says, or is cut short."""


class Unpacker(Protocol):
    """Undoes one content encoding."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take packed bytes; the plain ones, in pieces of bounded size."""
        ...

    def finish(self) -> None:
        """Raise DamagedBodyError where the end is missing."""
        ...


def unpacker(encoding: str) -> Unpacker | None:
    """Give the unpacker of a Content-Encoding; None where there is none.

    >>> b"".join(unpacker("").feed(b"plain"))
    b'plain'
    >>> unpacker("br") is None
    True
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _Plain()
    if name in ("gzip", "x-gzip"):
        return _Gzip()
    return _Zstd() if name == "zstd" else None


class _Plain:
    def feed(self, chunk: bytes) -> Iterator[bytes]:
        yield chunk

    def finish(self) -> None:
        """Nothing can be missing."""


class _Gzip:
    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._inside = False
        self._any = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        more = bool(chunk)
        while more:
            if not self._inside:
                self._member = zlib.decompressobj(wbits=31)
                self._inside = self._any = True
            try:
                out = self._member.decompress(chunk, STEP_BYTES)
            except zlib.error:
                raise DamagedBodyError("the body is not valid gzip") from None
            if out:
                yield out
            if self._member.eof:
                chunk, self._inside = self._member.unused_data, False
                more = bool(chunk)
            else:  # a full piece may leave output behind though all input is taken
                chunk = self._member.unconsumed_tail
                more = bool(chunk) or len(out) == STEP_BYTES

    def finish(self) -> None:
        if self._inside or not self._any:
            raise DamagedBodyError("the gzip body is cut short")


class _Zstd:
    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        self._inside = False
        self._any = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        for start in range(0, len(chunk), _ZSTD_SLICE):
            yield from self._slice(chunk[start : start + _ZSTD_SLICE])

    def _slice(self, packed: bytes) -> Iterator[bytes]:
        while packed:
            if not self._inside:
                self._frame = zstandard.ZstdDecompressor(
                    max_window_size=_ZSTD_WINDOW
                ).decompressobj()
                self._inside = self._any = True
            try:
                out = self._frame.decompress(packed)
            except zstandard.ZstdError:
                raise DamagedBodyError(
                    "the body is not valid zstd with a window of at most 8 MiB"
                ) from None
            if out:
                yield out
            packed = b""
            if self._frame.eof:
                packed, self._inside = self._frame.unused_data, False

    def finish(self) -> None:
        if self._inside or not self._any:
            raise DamagedBodyError("the zstd body is cut short")
