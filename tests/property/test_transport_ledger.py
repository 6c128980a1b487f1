from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.ledger import AckLedger


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=20),
    st.permutations(range(20)),
    st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_never_commits_past_what_is_not_done(
    gaps: list[int], order: list[int], commits: list[bool]
) -> None:
    lasts = [sum(gaps[: n + 1]) for n in range(len(gaps))]  # holes between offsets
    ledger = AckLedger[str]()
    for last in lasts:
        ledger.deliver("p", last)
    done: set[int] = set()
    committed = 0
    for index, commit in zip([i for i in order if i < len(lasts)], commits, strict=False):
        assert ledger.ack("p", lasts[index])
        assert not ledger.ack("p", lasts[index])
        done.add(lasts[index])
        assert ledger.in_flight("p") == len(lasts) - len(done)
        if commit and (offset := ledger.committable("p")) is not None:
            assert offset > committed
            committed = offset
        prefix = 0
        for last in lasts:
            if last not in done:
                break
            prefix = last + 1
        assert committed <= prefix
        if commit:
            assert committed == prefix
    assert (ledger.committable("p") or committed) == lasts[-1] + 1
    assert ledger.partitions() == []


def test_partitions_are_apart_and_forgotten() -> None:
    ledger = AckLedger[str]()
    ledger.deliver("p", 4)
    ledger.deliver("q", 4)
    assert ledger.ack("p", 4)
    assert ledger.partitions() == ["p"]
    assert not ledger.ack("q", 5)
    assert ledger.committable("q") is None
    with pytest.raises(ValueError, match="delivered after"):
        ledger.deliver("q", 4)
    ledger.clear()
    assert not ledger.ack("q", 4)
    assert (ledger.in_flight("q"), ledger.committable("p")) == (0, None)
