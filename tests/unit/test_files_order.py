"""Many files at once in log order: the same order as one chunk's end at a time, in fewer pieces."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.files import order
from streams.files.kinds import find_files
from streams.files.order import Source, merged
from streams.files.rows import I8, Chunk, Decoded


@dataclass
class Rows:
    """A chunk of numbered rows."""

    times: I8
    names: list[str]

    def part(self, start: int, stop: int) -> Rows:
        return Rows(self.times[start:stop], self.names[start:stop])

    def decode(self) -> Decoded:
        return Decoded()


def source_of(name: str, chunks: Sequence[Sequence[int]]) -> Source:
    times = [time for chunk in chunks for time in chunk]

    def read(_: int) -> Iterator[Chunk]:
        n = 0
        for chunk in chunks:
            names = [f"{name}{k}" for k in range(n, n + len(chunk))]
            n += len(chunk)
            yield Rows(np.array(chunk, np.int64), names)

    return Source(name, times[0], times[-1], read)


def side_by_side(pieces: Sequence[Chunk]) -> list[str]:
    """Rows in the order in which whoever takes a step puts them: by time, else as they stand."""
    names = [name for piece in pieces if isinstance(piece, Rows) for name in piece.names]
    times = np.concatenate([piece.times for piece in pieces])
    return [names[i] for i in np.argsort(times, kind="stable").tolist()]


def one_end_at_a_time(sources: Sequence[Source]) -> list[str]:
    """The definition: whenever the first of the open chunks ends, all rows up to there."""
    waiting = sorted(sources, key=lambda source: source.first_ms, reverse=True)
    active: list[tuple[Chunk, Iterator[Chunk]]] = []
    found: list[str] = []
    while waiting or active:
        until = min((int(chunk.times[-1]) for chunk, _ in active), default=1 << 62)
        if waiting and waiting[-1].first_ms <= until:
            chunks = waiting.pop().chunks(0)
            active.append((next(chunks), chunks))
            continue
        pieces: list[Chunk] = []
        left: list[tuple[Chunk, Iterator[Chunk]]] = []
        for chunk, rest in active:
            stop = int(np.searchsorted(chunk.times, until, side="right"))
            pieces += [chunk.part(0, stop)] if stop else []
            after = chunk.part(stop, len(chunk.times)) if stop < len(chunk.times) else None
            if after is not None or (after := next(rest, None)) is not None:
                left.append((after, rest))
        active = left
        found += side_by_side(pieces)
    return found


rising = st.lists(st.integers(0, 12), min_size=1, max_size=24).map(sorted)


@given(
    files=st.lists(st.tuples(rising, st.integers(1, 5)), min_size=1, max_size=5),
    step=st.sampled_from([1, 4, 10, 1_000]),
)
def test_the_order_is_that_of_one_end_at_a_time(
    files: list[tuple[list[int], int]], step: int
) -> None:
    """Equal times, too, and chunks that end in the middle of them: an embedded run goes on by number."""
    sources = [
        source_of(chr(97 + i), [times[k : k + size] for k in range(0, len(times), size)])
        for i, (times, size) in enumerate(files)
    ]
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "CHUNK_ROWS", step)
        for pieces in merged(sources):
            found += side_by_side(pieces)
    assert found == one_end_at_a_time(sources)


@pytest.mark.parametrize("n", [10, 40])
def test_files_that_overlap_are_not_cut_at_every_end_of_a_chunk(n: int) -> None:
    """A file for each of a thousand coins took minutes: its pieces were the square of the files."""
    chunks, size = 20, 500
    ends = np.random.default_rng(n).permutation(n * chunks).reshape(n, chunks)
    sources = [
        source_of(f"{i}:", [[int(end)] * size for end in np.sort(ends[i])]) for i in range(n)
    ]
    steps = [len(pieces) for pieces in merged(sources)]
    assert sum(steps) <= 3 * n * chunks
    assert len(steps) <= n * chunks * size // order.CHUNK_ROWS + 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files by /proc")
def test_more_files_than_a_process_may_have_open_by_default_are_read(tmp_path: Path) -> None:
    """A file for each of 1,100 coins was refused: too many open files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = {int(fd.name) for fd in Path("/proc/self/fd").iterdir()}
    few = [number for number in range(2_000) if number not in taken][20]
    lines = [
        b'{"type":"heartbeat","id":"h","ts_event_ms":%d}\n' % (1_736_812_800_000 + k)
        for k in range(600)
    ]
    files = 60
    for i in range(files):
        (tmp_path / f"{i}.ndjson").write_bytes(b"".join(lines))
    sources = [
        source
        for file in find_files([tmp_path])
        for source in order.sources_of(order.scan(file), tmp_path / "spill")
    ]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, before[1]))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(order, "OPEN_RECORDS", 1)
            read = sum(len(piece.times) for pieces in merged(sources) for piece in pieces)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert read == files * len(lines)
