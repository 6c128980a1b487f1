"""The same three z-scores one event at a time, as one would write them in a Faust agent.

Plain Python: dicts, deques and running sums, one object for each token. What Faust itself would
add to each event (its stream, its table, decoding) is not counted.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from detectors.columns import Columns

BAR_MS: Final = 5_000
LATENESS_MS: Final = 2_000
SHORT: Final = 12
HOUR: Final = 60
LEAST_MINUTES: Final = 5
EVENT_MICRO_USD: Final = 50_000_000
NAN: Final = math.nan

Event = tuple[int, bool, int, int, int, int, int]
"""token, whether a trade, event time, log time, tie-breaker, price or 0, value in micro-USD.

Prices are whole numbers of one unit, the workload's 1e-12 dollars."""
Score = tuple[int, int, float, float, float]
"""token, bar, z_mentions, z_volume, z_return."""


def events_of(columns: Columns) -> list[Event]:
    """Records as plain values, to be made before the clock runs."""
    import numpy as np  # which the environment of a peer on Kafka has not

    tick = columns.kind == 1
    units = columns.a[tick] & 255
    if len(units) and (units != units[0]).any():
        msg = "prices of several units"
        raise ValueError(msg)
    price = np.where(tick, columns.a >> 8, 0)
    return list(
        zip(
            columns.token.tolist(),
            tick.tolist(),
            columns.ts_event_ms.tolist(),
            columns.ts_log_ms.tolist(),
            columns.id.tolist(),
            price.tolist(),
            columns.b.tolist(),
            strict=True,
        )
    )


class Bar:
    """What a token's bar holds so far."""

    __slots__ = ("mentions", "newest", "price", "volume")

    def __init__(self) -> None:
        self.mentions = 0
        self.volume = 0
        self.price = 0
        self.newest = (-1, 0)


class Sums:
    """Mean and deviation of an hour of minutes, of which only the busy ones are added."""

    __slots__ = ("floor", "squares", "total")

    def __init__(self, floor: int) -> None:
        self.floor = floor * floor
        self.total = 0
        self.squares = 0

    def add(self, value: int) -> None:
        """A minute enters."""
        self.total += value
        self.squares += value * value

    def drop(self, value: int) -> None:
        """A minute leaves."""
        self.total -= value
        self.squares -= value * value

    def score(self, value: int, n: int) -> float:
        """How far a value is above the mean of n minutes, in deviations."""
        variance = (n * self.squares - self.total * self.total) / (n * n)
        return (value - self.total / n) / math.sqrt(variance + self.floor)


class TokenScores:
    """A token's short window, the hour before it, and what lies between."""

    def __init__(self, start_ms: int) -> None:
        self.first_minute = start_ms // (BAR_MS * SHORT)
        self.window: deque[tuple[int, int, int]] = deque()  # bar, mentions, volume
        self.mentions = 0
        self.volume = 0
        self.prices: deque[tuple[int, int | None]] = deque()  # bar, log price at its end
        self.log_price: int | None = None
        self.then: int | None = None
        self.minute = -1
        self.minute_mentions = 0
        self.minute_volume = 0
        self.minute_price: int | None = None
        self.waiting: deque[tuple[int, int, int, int]] = deque()  # sealed, not in the hour yet
        self.hour: deque[tuple[int, int, int, int]] = deque()
        self.of_mentions = Sums(1024)
        self.of_volume = Sums(1024)
        self.of_return = Sums(30)

    def close(self, at: int, bar: Bar) -> tuple[float, float, float]:
        """Take in a bar that is complete; its scores."""
        minute = at // SHORT
        if minute != self.minute:
            self.seal()
            self.minute = minute
        self.slide((at - SHORT + 1) // SHORT - 1)
        self.window.append((at, bar.mentions, bar.volume))
        self.mentions += bar.mentions
        self.volume += bar.volume
        while self.window[0][0] <= at - SHORT:
            _, mentions, volume = self.window.popleft()
            self.mentions -= mentions
            self.volume -= volume
        self.minute_mentions += bar.mentions
        self.minute_volume += bar.volume
        while self.prices and self.prices[0][0] <= at - SHORT:
            self.then = self.prices.popleft()[1]
        if bar.price:
            self.log_price = math.floor(math.log2(bar.price) * 1_048_576 + 0.5)
            self.prices.append((at, self.log_price))
        n = min((at - SHORT + 1) // SHORT - self.first_minute, HOUR)
        if n < LEAST_MINUTES:
            return NAN, NAN, NAN
        z_return = NAN
        if self.log_price is not None and self.then is not None:
            z_return = self.of_return.score((self.log_price - self.then) >> 10, n)
        return (
            self.of_mentions.score(stabilised(self.mentions), n),
            self.of_volume.score(stabilised(self.volume / EVENT_MICRO_USD), n),
            z_return,
        )

    def seal(self) -> None:
        """Put the minute that was being filled behind the short window."""
        if self.minute < 0:
            return
        change = 0
        if self.log_price is not None and self.minute_price is not None:
            change = (self.log_price - self.minute_price) >> 10
        self.minute_price = self.log_price
        said, traded = (
            stabilised(self.minute_mentions),
            stabilised(self.minute_volume / EVENT_MICRO_USD),
        )
        self.waiting.append((self.minute, said, traded, change))
        self.minute_mentions = self.minute_volume = 0

    def slide(self, to: int) -> None:
        """Let the baseline be the hour that ends with minute ``to``."""
        while self.waiting and self.waiting[0][0] <= to:
            sealed = self.waiting.popleft()
            self.hour.append(sealed)
            self.of_mentions.add(sealed[1])
            self.of_volume.add(sealed[2])
            self.of_return.add(sealed[3])
        while self.hour and self.hour[0][0] <= to - HOUR:
            old = self.hour.popleft()
            self.of_mentions.drop(old[1])
            self.of_volume.drop(old[2])
            self.of_return.drop(old[3])


def stabilised(events: float) -> int:
    """Square root that makes a count's deviation one, in 1/1024."""
    return math.floor(2048 * math.sqrt(events + 0.375) + 0.5) - 1254


class Scorer:
    """Scores of each bar once the log has passed it by the lateness, event by event."""

    def __init__(self) -> None:
        self.tokens: dict[int, TokenScores] = {}
        self.held: dict[int, dict[int, Bar]] = {}  # bar, token: what waits for its bar's end
        self.log_start = -1
        self.due_ms = 0

    def take(self, event: Event) -> list[Score]:
        """Take in an event; the scores of the bars that it shows to be over."""
        token, tick, ts_event, ts_log, tie, price, value = event
        out: list[Score] = []
        if ts_log >= self.due_ms:
            if self.log_start < 0:
                self.log_start = ts_log
            out = self.close((ts_log - LATENESS_MS) // BAR_MS)
            self.due_ms = ((ts_log - LATENESS_MS) // BAR_MS + 1) * BAR_MS + LATENESS_MS
        bars = self.held.setdefault(ts_event // BAR_MS, {})
        bar = bars.get(token)
        if bar is None:
            bar = bars[token] = Bar()
        if tick:
            bar.volume += value
            if (ts_event, tie) > bar.newest:
                bar.newest = (ts_event, tie)
                bar.price = price
        else:
            bar.mentions += 1
        return out

    def close(self, end: int) -> list[Score]:
        """Scores of the bars before ``end``, which are held no longer."""
        out: list[Score] = []
        for at in sorted(bar for bar in self.held if bar < end):
            for token, bar in self.held.pop(at).items():
                scores = self.tokens.get(token)
                if scores is None:
                    start_ms = min(self.log_start, at * BAR_MS)
                    scores = self.tokens[token] = TokenScores(start_ms)
                out.append((token, at, *scores.close(at, bar)))
        return out


def event_scores(events: Iterable[Event]) -> Iterator[Score]:
    """Scores of every bar of a whole log."""
    scorer = Scorer()
    for event in events:
        yield from scorer.take(event)
    yield from scorer.close(1 << 62)
