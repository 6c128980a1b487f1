"""Random logs of records as columns, dealt over inputs and partitions in any legal way."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.columns import INFO, MENTION, TICK, Columns
from detectors.engine import Engine
from detectors.hashing import hash64
from detectors.outputs import Outputs
from detectors.settings import EngineSettings
from schemas.records import Alert
from tests.helpers.models import crowd_model

T0 = 1_736_812_800_000
SETTINGS = EngineSettings(
    candidate_logit_micro=500_000,
    fading_bars=3,
    fading_drawdown=0.05,
    closed_bars=20,
    refractory_bars=10,
    min_authors_15m=2,
    min_traders_15m=2,
    opening_drawdown=0.9,  # prices of random logs are wild
    backfill_limit_ms=60_000,
)
TOKENS = [f"eip155:1/erc20:0x{i:040x}" for i in range(1, 7)]


def random_log(seed: int, *, n: int = 500, span_ms: int = 900_000) -> Columns:
    """A hostile log in log order: bursts, late, future, duplicated and edited records, ties.

    Log times are already clamped (they never fall).
    """
    rng = np.random.default_rng(seed)
    tokens = [TOKENS[i] for i in rng.permutation(len(TOKENS))]
    at = np.sort(
        np.where(
            rng.random(n) < 0.5,
            rng.integers(0, span_ms, n),
            rng.choice(rng.integers(0, span_ms, 4), n) + rng.integers(0, 40_000, n),
        )
    )
    log = T0 + at // 50 * 50  # many equal log times
    delay = rng.choice([0, 400, 1_900, 2_000, 2_001, 7_000, 59_000, 90_000, -300, -9_000], n,
                       p=[0.4, 0.2, 0.1, 0.05, 0.05, 0.06, 0.03, 0.02, 0.05, 0.04])  # fmt: skip
    token = rng.choice(len(tokens), n, p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05]).astype(np.int32)
    kind = rng.choice([MENTION, TICK, INFO], n, p=[0.55, 0.42, 0.03]).astype(np.uint8)
    ids = [f"r{i}" for i in range(n)]
    a = np.where(kind == MENTION, rng.integers(0, 40, n), (rng.integers(1, 90, n) << 8) | 126)
    a = np.where(kind == INFO, T0 - rng.integers(-400_000, 4_000_000, n), a)
    b = np.where(kind == INFO, rng.integers(-1, 10**9, n), rng.integers(0, 10**9, n))
    columns = Columns(
        tokens,
        token=token,
        kind=kind,
        aux=np.where(kind == TICK, rng.integers(0, 2, n), rng.integers(0, 8, n)).astype(np.uint8),
        ts_event_ms=log - delay,
        ts_log_ms=log,
        order=rng.integers(0, 3, n),
        id=np.array([hash64(i) for i in ids], np.int64),
        who=rng.integers(0, 30, n),
        a=a,
        b=b,
        c=np.where(kind == TICK, rng.integers(-1, 10**10, n), 0),
        ids=ids,
    )
    # a tenth of the records stands for another once more, some of them edited
    for i in rng.choice(n - 1, n // 10, replace=False).tolist():
        j = i + 1 + int(rng.integers(0, min(40, n - i - 1)))
        for name in ("token", "kind", "aux", "ts_event_ms", "order", "id", "who", "a", "b", "c"):
            getattr(columns, name)[j] = getattr(columns, name)[i]
        ids[j] = ids[i]
        if rng.random() < 0.5:
            columns.who[j] = rng.integers(0, 30)
    return columns


@dataclass
class Input:
    """One input of one engine: its rows and how far each chunk reads it."""

    name: str
    columns: Columns
    end_log_ms: int


def deal(log: Columns, upstream: int, partitions: int) -> list[list[Input]]:
    """Deal a log over upstream mention partitions and token partitions; inputs by partition."""
    part_of = np.array([hash64(t) % partitions for t in log.tokens])[log.token]
    source = np.array([hash64(i) % upstream for i in (log.ids or ())])
    end = int(log.ts_log_ms[-1]) + 120_000
    out = []
    for p in range(partitions):
        inputs = []
        for kind, names in (
            (MENTION, [f"m/{u}" for u in range(upstream)]),
            (TICK, [f"t/{p}"]),
            (INFO, [f"i/{p}"]),
        ):
            for u, name in enumerate(names):
                rows = (log.kind == kind) & (part_of == p)
                if kind == MENTION:
                    rows &= source == u
                inputs.append(Input(name, log.take(np.flatnonzero(rows)), end))
        out.append(inputs)
    return out


def engine_of(inputs: list[Input], settings: EngineSettings = SETTINGS) -> Engine:
    """An engine with the hand-made model for these inputs."""
    return Engine(settings, crowd_model(), [i.name for i in inputs], fingerprint="test")


def play(
    inputs: list[Input],
    rng: np.random.Generator,
    *,
    chunk: int = 40,
    engine: Engine | None = None,
    restart: float = 0.0,
    log_start_ms: int = T0,
) -> list[Alert]:
    """Push the inputs in random chunks and a random interleaving; maybe restart in between."""
    engine = engine or engine_of(inputs)
    alerts: list[Alert] = []
    at = dict.fromkeys((i.name for i in inputs), 0)
    for one in inputs:  # the log's start is the same everywhere
        alerts += engine.push(one.name, None, 0, T0, log_start_ms).alerts
    todo = [i for i in inputs if len(i.columns)]
    while todo:
        one = todo[int(rng.integers(len(todo)))]
        n = int(rng.integers(1, chunk + 1))
        rows = one.columns.take(slice(at[one.name], at[one.name] + n))
        at[one.name] += len(rows)
        out: Outputs = engine.push(one.name, rows, at[one.name], int(rows.ts_log_ms[-1]))
        alerts += out.alerts
        if at[one.name] == len(one.columns):
            todo.remove(one)
        if rng.random() < restart:
            blob = engine.snapshot()
            engine = engine_of(inputs)
            engine.restore(blob)
    for one in inputs:
        alerts += engine.push(one.name, None, at[one.name] + 1, one.end_log_ms).alerts
    return alerts


def alert_bytes(alerts: list[Alert]) -> list[bytes]:
    """Alerts as compared: sorted by bar, token, sequence."""
    ordered = sorted(alerts, key=lambda a: (a.ts_bar_end_ms, a.token, a.sequence))
    return [msgspec.json.encode(alert) for alert in ordered]


def shuffle_ties(log: Columns, rng: np.random.Generator) -> Columns:
    """The same log with records of equal log time in another arrival order."""
    noise: NDArray[np.float64] = rng.random(len(log))
    return log.take(np.lexsort((noise, log.ts_log_ms)))
