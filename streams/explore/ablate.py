"""What each source is worth: a log with it and without, through the same engine side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from schemas.records import Alert
from streams.explore.change import Change, Changed
from streams.explore.material import Material
from streams.explore.worth import Prices, Record, Worth, record, worth
from streams.replay.engines import Engines
from streams.replay.inputs import Inputs, opened
from streams.replay.run import OnProgress, Progress

NEVER: Final = 1 << 62


@dataclass(frozen=True)
class Told:
    """One alert, and what it was worth.

    Parameters
    ----------
    token, symbol, kind : of the alert; a candidate opens an episode, a fading one is its first.
    ts_available_ms : when it could be known.
    multiple_ahead : highest price of the next 24 h over the next executable one; None without a trade.
    label : 1 where the price reached 3 times before it fell by half, 0 where not, -1 not known.
    """

    token: str
    symbol: str | None
    kind: str
    ts_available_ms: int
    multiple_ahead: float | None
    label: int


@dataclass(frozen=True)
class Moved:
    """An alert that both logs give: with ``seconds`` above 0, the changed one gives it later."""

    before: Told
    after: Told
    seconds: float


@dataclass(frozen=True)
class Variant:
    """One changed log beside the whole one.

    ``lost`` are alerts that only the whole log gives, ``gained`` those that only the changed one
    gives, ``moved`` those of both at different times, ``same`` the number of the others. Candidates
    and first fading alerts are compared; ``kinds`` counts all.
    """

    name: str
    kinds: Counter[str]
    record: Record
    lost: tuple[Told, ...]
    gained: tuple[Told, ...]
    moved: tuple[Moved, ...]
    same: int


@dataclass(frozen=True)
class Ablation:
    """The whole log's alerts, and every variant; ``note`` says what to do where none is a candidate."""

    kinds: Counter[str]
    record: Record
    variants: tuple[Variant, ...]
    records: int
    note: str | None


@dataclass(frozen=True)
class _Episode:
    candidate: Alert
    fading: Alert | None
    end_ms: int

    @property
    def start_ms(self) -> int:
        return self.candidate.ts_available_ms


def ablate(
    of: Material, changed: Sequence[Change], on_progress: OnProgress | None = None
) -> Ablation:
    """Run a log as it is and with each of some changes; it is read once.

    An episode of one log is that of another if it is of the same token and they overlap in time.
    """
    with (
        TemporaryDirectory(prefix="goldendog-ablate-") as spill,
        opened(of.paths, Path(spill)) as inputs,
    ):
        of.window.check_begins(inputs.first_ms, of.detection.settings.history_ms)
        return _Run(of, inputs, changed).all(on_progress or (lambda _: None))


class _Run:
    def __init__(self, of: Material, inputs: Inputs, changed: Sequence[Change]) -> None:
        self._of, self._inputs = of, inputs
        self._changed = [Changed(change) for change in changed]
        make = of.detection.engine
        self._teams = [
            Engines([make(names) for names in inputs.engines]) for _ in range(len(changed) + 1)
        ]
        self._alerts: list[list[Alert]] = [[] for _ in self._teams]
        self._prices = Prices()
        self._read = 0
        self._log_ms = 0

    def all(self, tell: Callable[[Progress], None]) -> Ablation:
        window = self._of.window
        through = window.records_through_ms(self._of.detection.settings.lateness_ms)
        began = perf_counter()
        for step in self._inputs.steps(self._of.names(), window.records_from_ms, through):
            for columns in step.columns.values():
                self._prices.add(columns, self._teams[0].closed_ms)
            self._take(0, self._teams[0].push(step).alerts)
            for k, each in enumerate(self._changed, 1):
                self._take(k, self._teams[k].push(each.step(step)).alerts)
            self._read += sum(step.counts.values())
            self._log_ms = max(self._log_ms, step.through_log_ms)
            seconds, n = perf_counter() - began, len(self._alerts[0])
            tell(Progress("replay", self._read, self._inputs.records, self._log_ms, seconds, n))
        for k, engines in enumerate(self._teams):
            self._take(k, engines.finish()[0].alerts)
        window.check_reached(self._log_ms)
        whole = self._alerts[0]
        opened_any = any(alert.kind == "candidate" for alerts in self._alerts for alert in alerts)
        return Ablation(
            Counter(alert.kind for alert in whole),
            self._record(whole),
            tuple(
                self._variant(each.change.name, whole, alerts)
                for each, alerts in zip(self._changed, self._alerts[1:], strict=True)
            ),
            self._read,
            None if opened_any else self._of.why_none(),
        )

    def _take(self, k: int, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            self._prices.followed.add(alert.token)
            if self._of.window.tells(alert.ts_bar_end_ms):
                self._alerts[k].append(alert)

    def _worth(self, alert: Alert) -> Worth:
        return worth(self._prices.path(alert.token), alert.ts_available_ms, self._log_ms)

    def _variant(self, name: str, whole: list[Alert], changed: list[Alert]) -> Variant:
        lost: list[Told] = []
        gained: list[Told] = []
        moved: list[Moved] = []
        same = 0
        for before, after in paired(_episodes(whole), _episodes(changed)):
            for kind in ("candidate", "fading"):
                x = None if before is None else getattr(before, kind)
                y = None if after is None else getattr(after, kind)
                if x is None or y is None:
                    lost += [] if x is None else [self._told(x)]
                    gained += [] if y is None else [self._told(y)]
                elif x.ts_available_ms == y.ts_available_ms:
                    same += 1
                else:
                    seconds = (y.ts_available_ms - x.ts_available_ms) / 1000
                    moved.append(Moved(self._told(x), self._told(y), seconds))
        kinds = Counter(str(alert.kind) for alert in changed)
        return Variant(
            name, kinds, self._record(changed), tuple(lost), tuple(gained), tuple(moved), same
        )

    def _told(self, alert: Alert) -> Told:
        found = self._worth(alert)
        return Told(
            alert.token,
            alert.symbol,
            alert.kind,
            alert.ts_available_ms,
            found.multiple_ahead,
            found.label,
        )

    def _record(self, alerts: Iterable[Alert]) -> Record:
        return record(self._worth(alert) for alert in alerts if alert.kind == "candidate")


def _episodes(alerts: Iterable[Alert]) -> list[_Episode]:
    """Episodes whose candidate is among the alerts, in order of time."""
    by_start: dict[tuple[str, int], list[Alert]] = {}
    for alert in sorted(alerts, key=lambda a: (a.ts_available_ms, a.token, a.sequence)):
        by_start.setdefault((alert.token, alert.ts_episode_start_ms), []).append(alert)
    found = []
    for each in by_start.values():
        if each[0].kind == "candidate":
            fading = next((a for a in each if a.kind == "fading"), None)
            last = each[-1]
            end = last.ts_available_ms if last.kind == "closed" else NEVER
            found.append(_Episode(each[0], fading, end))
    return found


def paired(
    before: Sequence[_Episode], after: Sequence[_Episode]
) -> list[tuple[_Episode | None, _Episode | None]]:
    """Episodes of two logs that are one another's: of one token, overlapping, each used once."""
    left = list(after)
    pairs: list[tuple[_Episode | None, _Episode | None]] = []
    for one in before:
        other = next(
            (
                each
                for each in left
                if each.candidate.token == one.candidate.token
                and each.start_ms <= one.end_ms
                and one.start_ms <= each.end_ms
            ),
            None,
        )
        if other is not None:
            left.remove(other)
        pairs.append((one, other))
    return [*pairs, *((None, each) for each in left)]
