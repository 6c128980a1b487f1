"""Random records as sources write them, and what one engine makes of them, read in one piece."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from detectors.columns import Columns, columns_of, columns_of_mentions
from detectors.engine import Engine
from detectors.model import Model
from detectors.settings import EngineSettings
from schemas.records import (
    Alert,
    CheckedNumber,
    Gauge,
    Heartbeat,
    Mention,
    Record,
    Tick,
    TokenInfo,
)
from tests.helpers.logs import SETTINGS, T0, TOKENS
from tests.helpers.models import crowd_model

NEAR_TEXTS = (
    "everyone on the timeline talks about this coin and the pool is still thin",
    "everyone on the timeline talks about this coin and the pool is so thin",
    "everyone on the timeline talks about that coin and the pool is so thin",
    "people on the timeline talk about that coin and the pool is so thin",
    "people on the timeline talk about that coin and the pool got thin",
    "people on the telegram talk about that coin and the pool got thin",
)
"""Neighbours are copies; the first and the last are none: whose copy a post is depends on what came before."""


class NamedTokens:
    """A resolver that believes what mentions say; like the real one it is a pure function."""

    def resolve(self, mention: Mention, ts_log_ms: int) -> tuple[str, ...]:
        return tuple(sorted(mention.tokens))


def random_records(seed: int, *, n: int = 1_500, span_ms: int = 900_000) -> list[Record]:
    """A hostile log: bursts, late, future, doubled and edited records, ties, times that fall.

    It begins with a heartbeat that says when, and ends with one.
    """
    rng = np.random.default_rng(seed)
    bursts = rng.integers(0, span_ms, 6)
    at = np.sort(
        np.where(
            rng.random(n) < 0.4,
            rng.integers(0, span_ms, n),
            rng.choice(bursts, n) + rng.integers(0, 45_000, n),
        )
    )
    log = T0 + at // 50 * 50
    log[rng.random(n) < 0.02] -= 3_000  # the source's clock fell
    delay = rng.choice(
        [0, 400, 1_900, 2_000, 2_001, 7_000, 59_000, 90_000, -300, -9_000],
        n,
        p=[0.4, 0.2, 0.1, 0.05, 0.05, 0.06, 0.03, 0.02, 0.05, 0.04],
    )
    records: list[Record] = [Heartbeat("begin", T0, log_start_ms=T0, ts_log_ms=T0)]
    for i in range(n):
        if records[1:] and rng.random() < 0.08:
            records.append(records[int(rng.integers(max(1, len(records) - 40), len(records)))])
        records.append(_record(rng, i, int(log[i]), int(log[i] - delay[i])))
    end = T0 + span_ms + 240_000
    return [*records, Heartbeat("end", end, ts_log_ms=end)]


def _record(rng: np.random.Generator, i: int, log_ms: int, event_ms: int) -> Record:
    tokens = [TOKENS[k] for k in rng.choice(len(TOKENS), 2, p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05])]
    kind = rng.random()
    who = f"w{rng.integers(0, 40)}"
    if kind < 0.5:
        named = tuple(sorted({*tokens[: int(rng.integers(0, 3))]}))
        platform = str(rng.choice(["x", "telegram", "discord"]))
        return Mention(f"m{i}", event_ms, platform, who, _text(rng),
                       named, int(rng.integers(0, 9_000)), ts_log_ms=log_ms)  # fmt: skip
    if kind < 0.95:
        side = "buy" if rng.random() < 0.6 else "sell"
        return Tick(f"t{i}", event_ms, tokens[0], f"0.0{rng.integers(1, 999)}",
                    float(rng.integers(1, 4_000)), side, who, order=int(rng.integers(0, 3)),
                    ts_log_ms=log_ms)  # fmt: skip
    if kind < 0.98:
        supply = CheckedNumber(float(rng.integers(1, 10**9)), event_ms)
        return TokenInfo(f"i{i}", event_ms, tokens[0], supply=supply,
                         ts_created_ms=T0 - int(rng.integers(0, 10**7)),
                         ts_log_ms=log_ms)  # fmt: skip
    return Gauge(f"g{i}", event_ms, "RedNote", "views", 1.0, cumulative=True, ts_log_ms=log_ms)


def _text(rng: np.random.Generator) -> str:
    """One of 24 texts that are no copies of each other, or of 6 of which each is near some of the others.

    Digits alone would not tell them apart.
    """
    which = int(rng.integers(0, 30))
    if which < len(NEAR_TEXTS):
        return NEAR_TEXTS[which]
    return f"text {chr(0x4E00 + which) * 4} moon"


def one_engine(
    records: Sequence[Record],
    *,
    fingerprint: str,
    model: Model | None = None,
    settings: EngineSettings = SETTINGS,
    without: Collection[str] = (),
    engine: Engine | None = None,
) -> list[Alert]:
    """Alerts of the records as one input, pushed in one piece: what every run must give.

    Records of the ids ``without`` are not taken in, yet the log reached their time. An ``engine`` of
    one's own reads one input, ``log``.
    """
    engine = engine or Engine(settings, model or crowd_model(), ["log"], fingerprint=fingerprint)
    alerts: list[Alert] = []
    reached = -1
    for offset, record in enumerate(records):
        assert record.ts_log_ms is not None
        start = record.log_start_ms if isinstance(record, Heartbeat) else None
        reached = max(reached, record.ts_log_ms)
        columns = None if record.id in without else _columns(record, reached)
        alerts += engine.push("log", columns, offset, reached, start).alerts
    return alerts


def _columns(record: Record, log_ms: int) -> Columns | None:
    if isinstance(record, Mention):
        rows = [(token, record, log_ms) for token in record.tokens]
        return columns_of_mentions(rows) if rows else None
    if isinstance(record, Tick | TokenInfo):
        return columns_of([record], [log_ms])
    return None
