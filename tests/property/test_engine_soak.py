"""Run for months: a million coins come and go, and memory follows those that are alive."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.columns import MENTION, TICK, Columns
from detectors.engine import Engine
from detectors.layout import BAR_MS, EXPIRE_BARS, STATE
from detectors.settings import EngineSettings
from tests.helpers.logs import T0
from tests.helpers.models import crowd_model

HOUR_MS = 3_600_000
COINS = 1_000_000
A_PUSH = 2_000
"""New coins a push; with what a push spans, about ten thousand are alive at any time."""
PUSH_MS = 5 * HOUR_MS
ALIVE = A_PUSH * (EXPIRE_BARS * BAR_MS) // PUSH_MS
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """What this process holds in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def launches(push: int, rng: np.random.Generator) -> Columns:
    """One post and one trade of each new coin, spread over the push's span."""
    names = [f"eip155:1/erc20:0x{push * A_PUSH + i:040x}" for i in range(A_PUSH)]
    n = 2 * A_PUSH
    at = np.sort(rng.integers(0, PUSH_MS, n)) + T0 + push * PUSH_MS
    kind = np.tile([MENTION, TICK], A_PUSH).astype(np.uint8)
    number = push * n + np.arange(n)
    return Columns(
        names,
        token=(np.arange(n) // 2).astype(np.int32),
        kind=kind,
        aux=np.zeros(n, np.uint8),
        ts_event_ms=at - rng.integers(0, 2_000, n),
        ts_log_ms=at,
        order=np.zeros(n, np.int64),
        id=number * 2_654_435_761 + 1,
        who=rng.integers(0, 2**60, n),
        a=np.where(kind == MENTION, rng.integers(0, 2**40, n), (rng.integers(1, 90, n) << 8) | 126),
        b=rng.integers(0, 10**9, n),
        c=np.where(kind == TICK, 10**9, 0),
        ids=[f"r{i}" for i in number.tolist()],
    )


def count(lives: NDArray[np.uint8], told: Sequence[tuple[str, int, int]]) -> None:
    """Count one life for each coin told of."""
    for token, _, _ in told:
        lives[int(token[-40:], 16)] += 1


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from /proc")
def test_a_million_coins_with_ten_thousand_alive_take_no_more_memory_than_ten_thousand() -> None:
    rng = np.random.default_rng(1)
    engine = Engine(EngineSettings(), crowd_model(), ["log"], fingerprint="soak")
    pushes = COINS // A_PUSH
    lives = np.zeros(COINS, np.uint8)  # of each coin; a set of names would be what grows
    resident, snapshots, used = [], [], []
    for push in range(pushes):
        columns = launches(push, rng)
        out = engine.push("log", columns, push, T0 + (push + 1) * PUSH_MS, T0)
        assert not len(out.late) and not out.duplicates
        count(lives, out.evicted)
        if push in (pushes // 4, pushes // 2, pushes - 1):
            resident.append(resident_bytes())
            snapshots.append(len(engine.snapshot()))
            used.append(engine._slots.used)
        if push > 12:
            assert ALIVE * 0.9 < engine.tracked < ALIVE * 1.6
    ended = engine.push("log", None, pushes, T0 + pushes * PUSH_MS + 10_000).evicted
    count(lives, ended)
    count(lives, engine.universe())
    assert (lives == 1).all()
    assert used[2] - used[0] < 20 and used[2] < 2 * ALIVE  # slots are used again
    assert len(engine._slots._token) == used[2] and len(engine._slots._slot) == engine.tracked
    assert len(engine._seen.table) <= 2**14  # ids are forgotten
    assert len(engine._evidence._runs) <= 2  # and so is evidence
    assert max(snapshots) < 1.3 * min(snapshots) < 2 * ALIVE * STATE.itemsize
    assert resident[2] - resident[0] < 24_000_000, resident
