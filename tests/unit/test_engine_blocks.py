"""Records of one push are brought into order block by block, and give what they give otherwise."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

from detectors.holdback import Incoming
from tests.helpers.logs import alert_bytes, deal, play, random_log


@pytest.mark.parametrize("block", [1, 40])
def test_one_push_in_blocks_is_one_push(block: int) -> None:
    (inputs,) = deal(random_log(3, n=350), 1, 1)
    whole = play(inputs, np.random.default_rng(0), chunk=10_000)
    with patch("detectors.holdback.BLOCK", block):
        blocks = play(inputs, np.random.default_rng(0), chunk=10_000)
    assert whole
    assert alert_bytes(blocks) == alert_bytes(whole)


def test_a_block_closes_what_the_log_has_passed_however_its_clock_fell() -> None:
    (inputs,) = deal(random_log(3, n=50), 1, 1)
    columns = inputs[0].columns
    slots = np.zeros(len(columns.tokens), np.int32)
    last = int(columns.ts_log_ms[-1])

    def closed_by(through: int) -> int:
        some = Incoming(
            columns, slots, first_ref=0, through=through, lateness_ms=2_000, backfill_ms=300_000
        )
        return some.closed_by(len(columns) - 1)

    assert closed_by(0) == closed_by(last) == (last - 2_000) // 5_000
    assert closed_by(last + 60_000) == closed_by(last) + 12
