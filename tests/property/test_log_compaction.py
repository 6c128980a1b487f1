from __future__ import annotations

import tempfile
from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.log import sqlite_books
from streams.log.base import Item
from streams.log.sqlite import SqliteLog
from streams.log.sqlite_reader import open_readonly

items = st.builds(
    Item,
    st.sampled_from([b"a", b"b", b"c", b"d"]),
    st.one_of(st.none(), st.binary(max_size=3)),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.lists(items, max_size=6), st.booleans()), max_size=8), st.integers(0, 3)
)
@example([([Item(b"a", None)], False), ([Item(b"b", None)], False)], 0)  # a's was never let go
def test_the_newest_of_each_key_stays(
    steps: Sequence[tuple[Sequence[Item], bool]], tombstones: int
) -> None:
    newest: dict[bytes, tuple[int, bytes | None]] = {}
    appended = 0
    kept = sqlite_books.KEPT_TOMBSTONES
    sqlite_books.KEPT_TOMBSTONES = tombstones  # type: ignore[misc]
    try:
        with tempfile.TemporaryDirectory() as folder:
            log = SqliteLog(folder)
            log.create_topic("c", 1, compacted=True)
            for batch, reopen in steps:
                offsets = log.append_now("c", 0, batch)
                assert offsets == list(range(appended, appended + len(batch)))
                for offset, item in zip(offsets, batch, strict=True):
                    assert item.key is not None
                    newest[item.key] = offset, item.value
                appended += len(batch)
                if reopen:
                    log.close()
                    log = SqliteLog(folder)
            log.close()
            with open_readonly(folder) as outside:
                held = list(outside.iter_topic("c", 0))
                assert outside.end_offset("c", 0) == appended
    finally:
        sqlite_books.KEPT_TOMBSTONES = kept  # type: ignore[misc]
    alive = {(k, *v) for k, v in newest.items() if v[1] is not None}
    dead = {(k, *v) for k, v in newest.items() if v[1] is None}
    found = {(r.key, r.offset, r.value) for r in held}
    assert len(found) == len(held)
    assert alive <= found <= alive | dead
    assert len(found - alive) <= tombstones + 1
    if appended:
        assert held[-1].offset == appended - 1
