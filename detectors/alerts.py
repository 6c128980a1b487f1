"""Rows of the kernel made into alerts that explain themselves."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.maths import VOLUME_UNIT, Y_UNIT
from detectors.kernels.run import NO_MOVE
from detectors.layout import ALERT_INTS, ALERT_KINDS, BAR_MS, DAY, FEATURES, HOUR, N_Z
from detectors.model import MICRO, Model
from detectors.price import EXACT, price_decimal, price_text
from detectors.settings import EngineSettings
from schemas.records import SCHEMA_VERSION, Alert, AlertKind, Reason

MAX_REASONS: Final = 8
Q20: Final = 1 << 20
_DAY_SCORES: Final = 7
_RETURN: Final = 6
_VOLUMES: Final = (4, 5, 9)


def rounded(x: float, digits: int = 6) -> float | None:
    """Round half up; unknown (NaN) is None.

    >>> rounded(0.1234567), rounded(float("nan"))
    (0.123457, None)
    """
    if math.isnan(x):
        return None
    scale = 10.0**digits
    return math.floor(x * scale + 0.5) / scale


def exp2_q20(doublings: int) -> float:
    """2 to the power of a number in 2**-20, from + * and / alone: the same bits everywhere.

    >>> exp2_q20(0), exp2_q20(3 << 20), round(exp2_q20(1 << 19), 9)
    (1.0, 8.0, 1.414213562)
    """
    x = (doublings & (Q20 - 1)) / Q20 * 0.6931471805599453
    y = 1.0
    for k in range(14, 0, -1):
        y = 1.0 + y * x / k
    return math.ldexp(y, doublings >> 20)


def alert_id(token: str, episode_start_ms: int, kind: str, sequence: int) -> str:
    """Deterministic id of an alert, also its ``webhook-id``.

    >>> alert_id("eip155:1/erc20:0x" + "0" * 40, 1_736_812_800_000, "candidate", 0)
    'gd_mgdrvwqigvuconkvi2fpgqnpzm'
    """
    text = f"{token}\n{episode_start_ms}\n{kind}\n{sequence}"
    digest = hashlib.sha256(text.encode()).digest()[:16]
    return "gd_" + base64.b32encode(digest).decode().rstrip("=").lower()


@dataclass(frozen=True)
class AlertWriter:
    """Turns the kernel's alert rows into ``Alert`` records.

    Parameters
    ----------
    settings, model, fingerprint : what the alerts were decided with.
    symbols : symbol by token id, where the directory knows it.
    """

    settings: EngineSettings
    model: Model
    fingerprint: str
    symbols: Mapping[str, str]

    def write(
        self,
        token: str,
        ints: NDArray[np.int64],
        features: NDArray[np.float64],
        means: NDArray[np.float64],
        deviations: NDArray[np.float64],
        id_of: Callable[[int], str | None],
    ) -> Alert:
        """One alert. ``ints`` is in the order of ``ALERT_INTS``; ``id_of`` maps refs to ids."""
        row = {name: int(x) for name, x in zip(ALERT_INTS, ints.tolist(), strict=True)}
        kind = cast("AlertKind", ALERT_KINDS[row["kind"]])
        start_ms = row["episode_start"] * BAR_MS
        end_ms = (row["bar"] + 1) * BAR_MS
        price = row["price"]
        opened = kind != "candidate"
        total = row["late"] + row["on_time"]
        found = (id_of(row[f"ref{k}"]) for k in range(3) if row[f"ref{k}"] >= 0)
        return Alert(
            schema_version=SCHEMA_VERSION,
            alert_id=alert_id(token, start_ms, kind, row["sequence"]),
            kind=kind,
            sequence=row["sequence"],
            token=token,
            symbol=self.symbols.get(token),
            ts_episode_start_ms=start_ms,
            ts_bar_end_ms=end_ms,
            ts_available_ms=end_ms + self.settings.lateness_ms,
            probability=self.model.probability(row["logit"]),
            logit_micro=row["logit"],
            threshold_logit_micro=self.settings.candidate_logit_micro,
            price_usd=price_text(price) if price else None,
            ts_price_ms=row["price_ms"] if price else None,
            liquidity_usd=row["liquidity"] / MICRO if row["liquidity"] >= 0 else None,
            market_cap_usd=_market_cap(price, row["supply"]),
            moved_x_since_onset=_factor(row["moved_onset_q20"]),
            moved_x_1h=_factor(row["moved_1h_q20"]),
            price_share_of_peak=_factor(row["peak_price_q20"]) if opened else None,
            attention_share_of_peak=row["attention"] / 1000 if opened else None,
            mentions_60s=row["mentions"],
            authors_60s=row["authors"],
            trades_60s=row["trades"],
            traders_60s=row["traders"],
            late_share=rounded(row["late"] / max(total, 1)) or 0.0,
            baseline_coverage=rounded(
                (row["minutes"] + 15 * row["quarters"]) / (HOUR + 15 * DAY), 4
            )
            or 0.0,
            reasons=self._reasons(features, means, deviations, row["minutes"], row["quarters"]),
            evidence=tuple(text for text in found if text is not None),
            fingerprint=self.fingerprint,
        )

    def _reasons(
        self,
        features: NDArray[np.float64],
        means: NDArray[np.float64],
        deviations: NDArray[np.float64],
        minutes: int,
        quarters: int,
    ) -> tuple[Reason, ...]:
        micro = np.floor(self.model.contributions(features) * MICRO + 0.5)
        order = np.lexsort((np.arange(len(micro)), -np.abs(micro)))[:MAX_REASONS]
        added, values = micro.tolist(), features.tolist()
        usual, spread = means.tolist(), deviations.tolist()
        return tuple(
            Reason(FEATURES[k], rounded(values[k]), None, None, None, added[k] / MICRO)
            if k >= N_Z
            else Reason(
                FEATURES[k],
                rounded(values[k]),
                rounded(natural_mean(k, usual[k]), 4),
                rounded(spread[k] / Y_UNIT, 4),
                quarters if k >= _DAY_SCORES else minutes,
                added[k] / MICRO,
            )
            for k in order.tolist()
            if added[k] != 0.0
        )


def natural_mean(feature: int, mean: float) -> float:
    """A baseline's mean in the feature's own unit: posts, people, trades, dollars, doublings.

    Undoes the stabilising root (less its bias): ``(y / 2)**2 - 3/8``, dollars times 50.

    >>> natural_mean(0, 0.0), round(natural_mean(4, 1902.0), 0)
    (0.0, 100.0)
    """
    if feature == _RETURN:
        return mean / Y_UNIT
    y = abs(mean) / Y_UNIT + 2.0 * math.sqrt(0.375)
    count = max(y * y / 4.0 - 0.375, 0.0)
    if feature in _VOLUMES:
        count *= VOLUME_UNIT / MICRO
    return -count if mean < 0 else count


def _factor(doublings: int) -> float | None:
    return None if doublings == NO_MOVE else rounded(exp2_q20(doublings), 4)


def _market_cap(price: int, supply: int) -> float | None:
    if not price or supply < 0:
        return None
    cap = EXACT.multiply(price_decimal(price), Decimal(supply))
    if cap >= 10**20:
        return None
    return float(cap.quantize(Decimal("0.01"), ROUND_HALF_EVEN, EXACT))
