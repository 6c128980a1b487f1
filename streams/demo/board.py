"""What the demo shows: the hottest tokens, the latest alerts, the event-time clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.layout import FEATURES
from detectors.outputs import ScoreRows
from schemas.records import Alert, Record, Tick

MINUTE_MS: Final = 60_000
STEP_MS: Final = 30 * MINUTE_MS
STEPS: Final = 24
"""A sparkline covers twelve hours in half hours."""
BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_MENTIONS: Final = FEATURES.index("mentions_15m")
_TRADES: Final = FEATURES.index("trades_60s")
_WARM_MS: Final = 120 * MINUTE_MS


@dataclass
class Track:
    """The highest value of each half hour of the last twelve.

    >>> track = Track()
    >>> for step, value in enumerate([1.0, 4.0, 2.0]):
    ...     track.put(step * STEP_MS, value)
    >>> track.spark(2 * STEP_MS)[-3:]
    '▂█▄'
    """

    values: dict[int, float] = field(default_factory=dict)

    def put(self, ts_ms: int, value: float) -> None:
        """Note a value at a time."""
        step = ts_ms // STEP_MS
        old = self.values.get(step)
        if old is None or value > old:
            self.values[step] = value
            if len(self.values) > 2 * STEPS:
                self.values = {s: v for s, v in self.values.items() if s > step - STEPS}

    def spark(self, now_ms: int, *, hold: bool = False) -> str:
        """Blocks from the oldest half hour to the newest, scaled to the highest among them.

        ``hold`` repeats the last value where there is none, as for a price between trades.
        """
        last, row = now_ms // STEP_MS, []
        value = 0.0
        for step in range(last - STEPS + 1, last + 1):
            value = self.values.get(step, value if hold else 0.0)
            row.append(value)
        top = max(row) or 1.0
        return "".join(BLOCKS[round(8 * max(v, 0.0) / top)] for v in row)


@dataclass
class Heat:
    """One token: its last score and its tracks."""

    probability: float = 0.0
    ts_ms: int = 0
    mentions_15m: float = 0.0
    trades_60s: float = 0.0
    state: str = ""
    mentions: Track = field(default_factory=Track)
    price: Track = field(default_factory=Track)
    price_usd: float = 0.0


class Board:
    """Collects what the run gives; the views read it.

    Parameters
    ----------
    symbols : symbol by token id.
    probability : of a logit in millionths.
    total : records to come, for the progress.
    """

    def __init__(
        self, symbols: Mapping[str, str], probability: Callable[[int], float], total: int
    ) -> None:
        self.symbols = symbols
        self.total = total
        self.fed = 0
        self.now_ms = 0
        self.alerts: list[Alert] = []
        self.recent: deque[Alert] = deque(maxlen=16)
        self._probability = probability
        self._heat: dict[str, Heat] = {}
        self._ahead: deque[Tick] = deque()
        self._ids: set[str] = set()

    def saw(self, records: Sequence[Record]) -> None:
        """Records were fed to the log; their prices show when the detector has come so far."""
        self.fed += len(records)
        self._ahead += [r for r in records if isinstance(r, Tick)]

    def advance(self, closed_ms: int) -> None:
        """The detector has closed its bars up to a time."""
        self.now_ms = max(self.now_ms, closed_ms)
        while self._ahead and (self._ahead[0].ts_log_ms or 0) <= self.now_ms:
            tick = self._ahead.popleft()
            heat = self._heat.setdefault(tick.token, Heat())
            heat.price_usd = float(tick.price_usd)
            heat.price.put(tick.ts_event_ms, heat.price_usd)

    def scored(self, rows: ScoreRows) -> None:
        """Scores came, one a token and bar; one a minute is enough to look at."""
        kept = np.flatnonzero(rows.ts_bar_end_ms % MINUTE_MS == 0).tolist()
        ends, logits = rows.ts_bar_end_ms[kept].tolist(), rows.logit_micro[kept].tolist()
        shown = rows.features[kept][:, [_MENTIONS, _TRADES]].tolist()
        for i, ts, logit, (mentions, trades) in zip(kept, ends, logits, shown, strict=True):
            self.heated(rows.token[i], ts, logit, mentions, trades)

    def heated(
        self, token: str, ts_ms: int, logit: int, mentions_15m: float, trades_60s: float
    ) -> None:
        """A token's score at the end of a bar; those between minutes are left out."""
        if ts_ms % MINUTE_MS:
            return
        heat = self._heat.setdefault(token, Heat())
        heat.ts_ms, heat.probability = ts_ms, self._probability(logit)
        heat.mentions_15m, heat.trades_60s = mentions_15m, trades_60s
        heat.mentions.put(ts_ms, mentions_15m)

    def alerted(self, alert: Alert) -> bool:
        """An alert came; whether it was new."""
        if alert.alert_id in self._ids:
            return False
        self._ids.add(alert.alert_id)
        self.alerts.append(alert)
        if alert.kind != "update":
            self.recent.append(alert)
        heat = self._heat.setdefault(alert.token, Heat())
        heat.state = {"update": "candidate", "closed": ""}.get(alert.kind, alert.kind)
        return True

    def hottest(self, most: int) -> list[tuple[str, Heat]]:
        """Symbols and heat: open episodes first, then by probability; the rest has cooled down."""
        warm = [
            (self.symbols.get(token, token[-6:]), heat)
            for token, heat in self._heat.items()
            if heat.ts_ms and (heat.state or self.now_ms - heat.ts_ms < _WARM_MS)
        ]
        warm.sort(key=lambda row: (row[1].state == "", -row[1].probability, row[0]))
        return warm[:most]
