"""Slots of tokens: lists that batches share are looked up once, whatever comes in between."""

from __future__ import annotations

from typing import SupportsIndex, overload

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.slots import Slots


class Counted(list[str]):
    """A list of tokens that counts how many of them were asked for."""

    asked = 0

    @overload
    def __getitem__(self, at: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: SupportsIndex | slice) -> str | list[str]:
        found = super().__getitem__(at)
        Counted.asked += len(found) if isinstance(found, list) else 1
        return found


def test_a_shared_list_is_not_looked_up_anew_after_each_other_batch() -> None:
    """Trades share one list of up to 200,000 tokens: beside posts, each push of some took 60 ms."""
    slots, shared = Slots(2_048), Counted(f"t{i}" for i in range(1_000))
    slots.of(shared, np.arange(1_000))
    Counted.asked = 0
    for i in range(20):
        posts = [f"t{i}", f"p{i}"]
        assert slots.of(posts, np.array([0, 1, 0])).tolist() == [i, 1_000 + i]
        assert slots.of(shared, np.array([i, 5])).tolist()[i] == i
    assert Counted.asked == 0
    shared.append("p3")
    assert slots.of(shared, np.array([1_000])).tolist()[1_000] == 1_003
    assert Counted.asked == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["shared", "own", "free", "begun anew"]),
            st.lists(st.integers(0, 30), min_size=1, max_size=12),
        ),
        max_size=30,
    )
)
def test_slots_are_those_of_the_tokens_in_any_order_of_lists(
    steps: list[tuple[str, list[int]]],
) -> None:
    slots = Slots(64)
    shared: list[str] = []
    known: dict[str, int] = {}
    for how, numbers in steps:
        names = [f"t{i}" for i in numbers]
        if how == "free":
            gone = sorted({known.pop(name) for name in names if name in known})
            slots.free(gone)
            continue
        if how == "begun anew":
            shared = []
        tokens = names
        if how != "own":
            shared += names
            tokens = shared
        rows = np.arange(len(tokens) - len(names), len(tokens))
        found = slots.of(tokens, rows)
        for row in rows.tolist():
            assert known.setdefault(tokens[row], int(found[row])) == found[row]
            assert slots.token(int(found[row])) == tokens[row]
    assert len(set(known.values())) == len(known)
