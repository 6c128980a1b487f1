"""Rows of the kernel made into alerts that explain themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from math import floor, isnan
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.episodes import ATTENTION, SURGE
from detectors.kernels.explain import explain
from detectors.layout import ALERT_KINDS, BAR_MS, DAY, FEATURES, HOUR, N_Z, WEEK, Z_WEEK
from detectors.model import MICRO, Model
from detectors.price import EXACT, price_decimal
from detectors.settings import EngineSettings
from schemas.records import SCHEMA_VERSION, Alert, AlertKind, Reason, Trigger

MAX_REASONS: Final = 8
_DAY_SCORES: Final = 7
_NO_BASELINE: Final = (None,) * (Z_WEEK - N_Z)
_RULES: Final[dict[int, Trigger]] = {SURGE: "surge", ATTENTION: "attention"}
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = tuple(x + y for x in _BASE32 for y in _BASE32)


def rounded(x: float, digits: int = 6) -> float | None:
    """Round half up; unknown (NaN) is None. As ``explain.round_half_up``, which is dear to call from Python.

    >>> rounded(0.1234567), rounded(float("nan"))
    (0.123457, None)
    """
    scale = 10.0**digits
    return None if isnan(x) else floor(x * scale + 0.5) / scale


def alert_id(token: str, episode_start_ms: int, kind: str, sequence: int) -> str:
    """Deterministic id of an alert, also its ``webhook-id``.

    The first 128 bits of SHA-256 of the four, one a line, in base32 (RFC 4648) without padding.

    >>> alert_id("eip155:1/erc20:0x" + "0" * 40, 1_736_812_800_000, "candidate", 0)
    'gd_mgdrvwqigvuconkvi2fpgqnpzm'
    """
    text = f"{token}\n{episode_start_ms}\n{kind}\n{sequence}"
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]) << 2
    return "gd_" + "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


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
        n: int,
        token_of: Callable[[int], str],
        ints: NDArray[np.int64],
        features: NDArray[np.float64],
        means: NDArray[np.float64],
        deviations: NDArray[np.float64],
        id_of: Callable[[int], str | None],
    ) -> list[Alert]:
        """Alerts of the first n rows, in the order of (bar, token, sequence).

        ``ints`` is in the order of ``ALERT_INTS``; ``token_of`` maps slots to tokens, ``id_of`` refs
        to ids.
        """
        if not n:
            return []
        most = np.empty((n, MAX_REASONS, 2), np.int64)
        numbers = np.empty((n, MAX_REASONS + 1, 3))
        model = self.model
        explain(
            n, ints, features, means, deviations, model.place, model.thr, model.expected,
            self.settings.ticks, most, numbers,
        )  # fmt: skip
        alerts = [
            self._alert(token_of(row[1]), row, heaviest, told, id_of)
            # flat rows: twenty short lists for each alert take twice as long to make
            for row, heaviest, told in zip(
                ints[:n].tolist(),
                most.reshape(n, -1).tolist(),
                numbers.reshape(n, -1).tolist(),
                strict=True,
            )
        ]
        return sorted(alerts, key=lambda a: (a.ts_bar_end_ms, a.token, a.sequence))

    def _alert(
        self,
        token: str,
        row: list[int],
        most: list[int],
        numbers: list[float],
        id_of: Callable[[int], str | None],
    ) -> Alert:
        (
            bar, _, kind_number, sequence, start_bar, logit, price, price_ms, liquidity, supply,
            _, _, _, attention, _, mentions, authors, trades, traders, late, on_time,
            minutes, quarters, hours, *refs,
        ) = row  # fmt: skip
        kind = cast("AlertKind", ALERT_KINDS[kind_number])
        start_ms = start_bar * BAR_MS
        end_ms = (bar + 1) * BAR_MS
        exact = price_decimal(price) if price else None
        moved = [None if isnan(x) else x for x in numbers[3 * MAX_REASONS :]]
        opened = kind != "candidate"
        asked = self.settings.ticks
        return Alert(
            schema_version=SCHEMA_VERSION,
            alert_id=alert_id(token, start_ms, kind, sequence),
            kind=kind,
            sequence=sequence,
            token=token,
            symbol=self.symbols.get(token),
            ts_episode_start_ms=start_ms,
            ts_bar_end_ms=end_ms,
            ts_available_ms=end_ms + self.settings.lateness_ms,
            probability=self.model.probability(logit) if asked else None,
            logit_micro=logit if asked else None,
            threshold_logit_micro=self.settings.candidate_logit_micro,
            price_usd=format(exact, "f") if exact is not None else None,
            ts_price_ms=price_ms if price else None,
            liquidity_usd=liquidity / MICRO if liquidity >= 0 else None,
            market_cap_usd=_market_cap(exact, supply),
            moved_x_since_onset=moved[0],
            moved_x_1h=moved[1],
            price_share_of_peak=moved[2] if opened else None,
            attention_share_of_peak=attention / 1000 if opened else None,
            mentions_60s=mentions,
            authors_60s=authors,
            trades_60s=trades,
            traders_60s=traders,
            late_share=rounded(late / max(late + on_time, 1)) or 0.0,
            baseline_coverage=self._coverage(minutes, quarters, hours),
            reasons=_reasons(most, numbers, baseline_lengths(minutes, quarters, hours)),
            evidence=tuple([text for ref in refs if ref >= 0 and (text := id_of(ref)) is not None]),
            fingerprint=self.fingerprint,
            trigger=None if opened else _RULES.get(kind_number, "classifier"),
        )

    def _coverage(self, minutes: int, quarters: int, hours: int) -> float:
        """Share of the baselines that was there; the week's counts where it decides."""
        week = not self.settings.ticks
        had = minutes + 15 * quarters + 60 * hours * week
        return rounded(had / (HOUR + 15 * DAY + 60 * WEEK * week), 4) or 0.0


def _reasons(
    most: list[int], numbers: list[float], lengths: Sequence[int | None]
) -> tuple[Reason, ...]:
    """Reasons from rows of (feature, millionths of a logit) and (value, mean, deviation)."""
    return tuple(
        [
            Reason(
                FEATURES[k],
                None if isnan(value) else value,
                None if isnan(mean) else mean,
                None if isnan(deviation) else deviation,
                lengths[k],
                micro / MICRO,
            )
            for k, micro, value, mean, deviation in zip(
                most[::2], most[1::2], numbers[::3], numbers[1::3], numbers[2::3], strict=False
            )
            if k >= 0
        ]
    )


def baseline_lengths(minutes: int, quarters: int, hours: int) -> tuple[int | None, ...]:
    """How many buckets each feature's baseline has; None where it has none.

    >>> lengths = baseline_lengths(60, 96, 168)
    >>> [lengths[k] for k in (0, 7, 10, 34)]
    [60, 96, None, 168]
    """
    by_hour, by_day = (minutes,) * _DAY_SCORES, (quarters,) * (N_Z - _DAY_SCORES)
    return (*by_hour, *by_day, *_NO_BASELINE, hours)


def _market_cap(price: Decimal | None, supply: int) -> float | None:
    if price is None or supply < 0:
        return None
    cap = EXACT.multiply(price, Decimal(supply))
    if cap >= 10**20:
        return None
    return float(cap.quantize(Decimal("0.01"), ROUND_HALF_EVEN, EXACT))
