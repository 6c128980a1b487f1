"""The settings of episodes as the integers the kernel compares with."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.kernels import episodes as ep
from detectors.kernels.log2 import log2_q20
from detectors.settings import EngineSettings

CROWD: Final = 30
"""Person-minutes of authors in 15 minutes that make their number worth following, beside traders."""


def knobs(settings: EngineSettings) -> NDArray[np.int64]:
    """Shape (N_SETTINGS,): thresholds in millionths, thousandths and 2**-20 doublings, and bars.

    >>> int(knobs(EngineSettings(update_rise_x=2.0))[ep.T_RISE_Q20])
    1048576
    """
    out = np.zeros(ep.N_SETTINGS, np.int64)
    out[ep.T_LOGIT] = settings.candidate_logit_micro
    out[ep.T_BARS] = settings.candidate_bars
    out[ep.T_STEP] = settings.update_step_logit_micro
    out[ep.T_RISE_Q20] = _log2_q20(settings.update_rise_x)
    out[ep.T_FADE_PERMILLE] = _thousandths(settings.fading_attention_share)
    out[ep.T_DRAW_Q20] = -_log2_q20(1.0 - settings.fading_drawdown)
    out[ep.T_RUG_Q20] = -_log2_q20(1.0 - settings.rug_drawdown)
    out[ep.T_FADE_BARS] = settings.fading_bars
    out[ep.T_PATIENCE_PERMILLE] = _thousandths(settings.fading_patience)
    out[ep.T_CLOSE_PERMILLE] = _thousandths(settings.closed_attention_share)
    out[ep.T_CLOSE_BARS] = settings.closed_bars
    out[ep.T_REFRACTORY] = settings.refractory_bars
    out[ep.T_FALL_Q20] = -_log2_q20(1.0 - settings.opening_drawdown)
    out[ep.T_NO_POSTS] = 0 if settings.mentions else 1
    out[ep.T_SURGE_RETURN], out[ep.T_SURGE_TRADES] = (
        (ep.NEVER, ep.NEVER)
        if settings.mentions
        else (_thousandths(settings.surge_z_return), _thousandths(settings.surge_z_trades))
    )
    out[ep.T_AUTHORS] = settings.min_authors_15m if settings.mentions else 0
    out[ep.T_TRADERS] = settings.min_traders_15m
    out[ep.T_CROWD] = CROWD
    out[ep.T_ATTENTION] = ep.NEVER
    if not settings.ticks:
        _without_trades(out, settings)
    return out


def _without_trades(out: NDArray[np.int64], settings: EngineSettings) -> None:
    """No price to look at, and a classifier that knows none: attention alone decides."""
    out[ep.T_NO_TRADES] = 1
    out[ep.T_ATTENTION] = _thousandths(settings.attention_z_week)
    out[ep.T_TRADERS] = 0
    out[ep.T_CROWD] = 1
    out[ep.T_DRAW_Q20] = 0
    out[[ep.T_LOGIT, ep.T_STEP, ep.T_RISE_Q20, ep.T_RUG_Q20, ep.T_FALL_Q20]] = ep.NEVER


def _thousandths(value: float) -> int:
    return int(value * 1000 + 0.5)


def _log2_q20(ratio: float) -> int:
    micro = 1_000_000
    return int(log2_q20(max(int(ratio * micro + 0.5), 1)) - log2_q20(micro))
