"""Cuts a stream of bytes into lines as it comes, in bounded memory however long a line is."""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.decode import MAX_RECORD_BYTES

KEPT_OF_LONG_LINE: Final = 1_024
_BOM: Final = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One line that is not blank.

    Parameters
    ----------
    number : from 1; blank lines are counted and passed over.
    raw : its bytes, without the end and the white space around it; the first
        ``KEPT_OF_LONG_LINE`` of a line that is longer than a record may be.
    size : bytes in all.
    """

    number: int
    raw: bytes
    size: int


class LineSplitter:
    r"""Give chunks, get lines.

    >>> splitter = LineSplitter()
    >>> splitter.feed(b'{"a"'), splitter.feed(b":1}\n\n{}")
    ([], [Line(number=1, raw=b'{"a":1}', size=7)])
    >>> splitter.finish()
    [Line(number=3, raw=b'{}', size=2)]
    """

    def __init__(self, max_bytes: int = MAX_RECORD_BYTES) -> None:
        self._max = max_bytes
        self._held = bytearray()
        self._size = 0  # of the line under way, of which _held is the start
        self._first = True
        self.lines = 0
        """Lines ended so far, blank ones included."""

    def feed(self, chunk: bytes) -> list[Line]:
        """Take a chunk; the lines that it ends."""
        if self._first and chunk:
            self._first = False
            chunk = chunk.removeprefix(_BOM)
        *ended, last = chunk.split(b"\n")
        found: list[Line] = []
        for piece in ended:
            self._hold(piece)
            self._end(found)
        self._hold(last)
        return found

    def finish(self) -> list[Line]:
        """Take the stream's end for that of the last line."""
        found: list[Line] = []
        if self._size:
            self._end(found)
        return found

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        room = self._max + 2 - len(self._held)  # 2: a line's end may be \r, and one byte tells long
        if room > 0:
            self._held += piece[:room]

    def _end(self, found: list[Line]) -> None:
        self.lines += 1
        if self._size > self._max + 1:
            found.append(Line(self.lines, bytes(self._held[:KEPT_OF_LONG_LINE]), self._size))
        elif raw := bytes(self._held).strip():
            found.append(Line(self.lines, raw, len(raw)))
        self._held.clear()
        self._size = 0
