"""The detector on a part of the committed variations; ``benchmarks/variations.py`` has them all."""

from __future__ import annotations

import pytest

from benchmarks.variations import assess as assess_variation
from benchmarks.variations import row, summary
from streams.scenario.variation import published_variations

CHOSEN = (0, 1, 3, 16)  # every leading size, shape and delay among them


@pytest.mark.slow
def test_momo_is_found_early_and_its_fading_told_while_most_is_left() -> None:
    variations = [published_variations()[i] for i in CHOSEN]
    total = summary([row(v, assess_variation(v)) for v in variations])
    assert total["found"] == len(CHOSEN)
    assert total["median_multiple_ahead"] >= 5.0
    assert total["fading_with_60_percent_left"] > len(CHOSEN) / 2
    assert total["candidates_on_ordinary_days"] == 0
