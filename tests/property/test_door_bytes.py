"""However a body is cut on its way, the same lines come out; whatever it holds, the door stands."""

from __future__ import annotations

import gzip
from itertools import pairwise

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import RECORD_ERROR_CODES, RecordError
from streams.web.intake import _record_of
from streams.web.lines import KEPT_OF_LONG_LINE, Line, LineSplitter
from streams.web.unpack import DamagedBodyError, unpacker

MAX = 40
bodies = st.lists(
    st.sampled_from([b"", b" ", b"\r", b"{}", b"\xff\x00", b"x" * MAX, b"y" * (MAX + 1), b"z" * 99])
    | st.binary(max_size=60).map(lambda b: b.replace(b"\n", b"")),
    max_size=12,
).map(b"\n".join)
cuts = st.lists(st.integers(0, 400), max_size=12)


def pieces(body: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, len(body), *(min(i, len(body)) for i in at)})
    return [body[a:b] for a, b in pairwise(edges)] or [body]


def plainly(body: bytes) -> list[Line]:
    """What the lines are, by the rules alone."""
    found = []
    for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if len(line) > MAX + 1:
            found.append(Line(number, line[: min(KEPT_OF_LONG_LINE, MAX + 2)], len(line)))
        elif line.strip():
            found.append(Line(number, line.strip(), len(line.strip())))
    return found


@given(bodies, cuts)
def test_cuts_never_change_lines(body: bytes, at: list[int]) -> None:
    if body.startswith(b"\xef"):
        at = []  # a mark of byte order that is cut in two is no mark
    splitter = LineSplitter(MAX)
    found = [line for piece in pieces(body, at) for line in splitter.feed(piece)]
    assert found + splitter.finish() == plainly(body)


def unpacked(name: str, chunks: list[bytes]) -> bytes:
    unpack = unpacker(name)
    assert unpack is not None
    plain = b"".join(piece for chunk in chunks for piece in unpack.feed(chunk))
    unpack.finish()
    return plain


@given(st.binary(max_size=3_000), cuts, st.sampled_from(["gzip", "zstd", "identity"]), st.data())
def test_cuts_never_change_what_is_unpacked(
    body: bytes, at: list[int], name: str, data: st.DataObject
) -> None:
    split = data.draw(st.integers(0, len(body)))
    pack = {
        "gzip": gzip.compress,
        "zstd": zstandard.ZstdCompressor().compress,
        "identity": lambda b: b,
    }[name]
    packed = pack(body[:split]) + pack(body[split:])  # two members, as some tools write
    assert unpacked(name, pieces(packed, at)) == body


@given(st.binary(min_size=1, max_size=200), st.sampled_from(["gzip", "zstd"]))
def test_noise_is_told_from_a_packed_body(noise: bytes, name: str) -> None:
    with pytest.raises(DamagedBodyError):
        unpacked(name, [noise])


@settings(max_examples=300)
@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass"))
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=12,
    ).map(lambda value: str(value).replace("'", '"').encode("utf-8", "surrogatepass"))
)
def test_no_line_breaks_the_door(raw: bytes) -> None:
    try:
        _record_of(Line(1, raw, len(raw)))
    except RecordError as error:
        told = error
    else:
        return
    assert told.code in RECORD_ERROR_CODES
    assert told.problem
