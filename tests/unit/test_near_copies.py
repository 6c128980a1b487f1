"""Posts with a word changed are told as copies; posts that happen to be alike are not."""

from __future__ import annotations

import random

import numpy as np

from benchmarks.held_back import VERSIONS, with_altered_copies
from benchmarks.near_copies import TAILS, altered, measure, pools
from detectors.columns import MENTION
from detectors.hashing import text_fingerprint
from detectors.simhash import NEAR
from streams.scenario.waves import pasted_texts, wave_columns


def test_altered_posts_are_told_and_others_are_not() -> None:
    for name, posts in pools().items():
        row = next(row for row in measure(posts[:300], random.Random(3)) if row.within == NEAR)
        assert row.once > 0.8, name
        assert row.twice > 0.5, name
        assert row.alike < 0.02, name


def test_an_altered_post_is_another_by_a_word_at_most() -> None:
    rng = random.Random(2)
    for text in ("volume is picking up fast", "成交量一下子起来了,回调有人接"):
        for other in (altered(rng, text) for _ in range(50)):
            assert other.endswith(TAILS) or abs(len(other) - len(text)) <= len(" picking")
            assert text_fingerprint(other) != 0


def test_pasted_posts_of_a_wave_are_altered_and_nothing_else() -> None:
    columns, _ = wave_columns(5_003)
    other = with_altered_copies(columns, 5_003)
    prints = [text_fingerprint(text) for text in pasted_texts()]
    pasted = (columns.kind == MENTION) & np.isin(columns.a, prints)
    assert pasted.sum() > 100
    assert np.array_equal(columns.a[~pasted], other.a[~pasted])
    assert len(set(other.a[pasted].tolist())) > min(pasted.sum(), VERSIONS) // 4
    assert len(set(columns.a[pasted].tolist())) == 3
