"""Ids that alerts rest on, while records wait for their bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import pytest

from detectors.evidence import Evidence
from detectors.kernels.intake import REF_MASK


class Looked(Sequence[str]):
    """A run of ids that counts how often it was looked at."""

    looks = 0

    def __init__(self, ids: list[str]) -> None:
        self._ids = ids

    def __len__(self) -> int:
        Looked.looks += 1
        return len(self._ids)

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> list[str]: ...
    def __getitem__(self, i: int | slice) -> str | list[str]:
        return self._ids[i]


@pytest.mark.parametrize("runs", [10, 3_000])
def test_an_id_is_found_without_looking_through_all_that_wait(runs: int) -> None:
    """A checkpoint asks for each id: with 24,000 pushes since a bar closed it took minutes."""
    evidence = Evidence()
    for k in range(runs):
        evidence.add(1, 7, Looked([f"r{k}"]))
    Looked.looks = 0
    assert [evidence.of(ref) for ref in range(runs)] == [f"r{k}" for k in range(runs)]
    assert Looked.looks == runs


def test_unknown_empty_and_forgotten_ids_are_none_also_where_references_begin_anew() -> None:
    evidence = Evidence()
    evidence.add(REF_MASK - 1, 3, None)
    evidence.add(1, 5, ["old"])
    assert evidence.of(REF_MASK - 1) == "old"
    first = evidence.next_ref
    evidence.add(3, 6, ["a", "", "c"])
    evidence.add(2, 6, None)
    evidence.add(1, 4, ["z"])
    assert first == REF_MASK and evidence.next_ref == 5
    refs = [REF_MASK, 0, 1, 2, 3, 4]
    assert [evidence.of(ref) for ref in refs] == ["a", None, "c", None, None, "z"]
    evidence.forget(6)  # the oldest first: a run waits for those before it
    assert evidence.of(REF_MASK - 1) is None and evidence.of(4) == "z"
    evidence.forget(7)
    assert [evidence.of(ref) for ref in refs] == [None] * 6
