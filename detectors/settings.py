"""Settings of the engine. They are part of the fingerprint: another value, other alerts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from schemas.errors import ConfigError

BAR_MS: Final = 5_000
HOUR_MS: Final = 3_600_000


@dataclass(frozen=True)
class EngineSettings:
    """What an operator or a quant may set. Durations in ms, thresholds in millionths of a logit.

    Parameters
    ----------
    lateness_ms : how long a bar waits for records that are under way.
    backfill_limit_ms : records later than this are not used at all; also how long an id is
        remembered for duplicates.
    candidate_logit_micro : an episode opens at this logit or above.
    candidate_bars : bars in a row at or above it that open an episode.
    update_step_logit_micro : an open episode is told again when its logit rises by this much.
    update_rise_x : or when the price has risen by this factor since it was last told.
    fading_bars : bars since the episode's highest price before it can fade.
    fading_patience : or this share of the bars its rise took, if that is longer.
    fading_attention_share : it then fades when the attention of the last 15 minutes is at or below
        this share of the episode's peak,
    fading_drawdown : and the price at least this share below the episode's highest; or, an hour after
        that, when nobody at all has spoken or traded for 15 minutes.
    rug_drawdown : a fall by this share is enough by itself.
    closed_attention_share : share of peak attention at or below which a fading episode closes.
    closed_bars : bars after the fading alert at which it closes in any case.
    refractory_bars : bars after closing in which no new episode of the token opens.
    opening_drawdown : no episode opens at a price this share or more below the highest of the last
        15 minutes' ends: a coin that has just collapsed.
    mentions : whether the log holds posts. Where it holds none, what posts would tell is unknown,
        which is not silence, and no authors are asked for.
    surge_z_return, surge_z_trades : where it holds none, an episode also opens with the first bar in
        which the z-scores of return and of trades both reach these, whatever the classifier says:
        it knows waves of posts, and a market alone shows a surge sooner.
    ticks : whether the log holds trades. Where it holds none, what trades would tell is unknown, and
        neither a price nor traders are asked for; it cannot lack posts, too.
    attention_z_week : where it holds none, an episode opens with the first bar in which the z-score
        of an hour's posts against the week's hours reaches this, and with no other: the
        classifier knows nothing that does not trade. The episode fades with its attention.
    min_authors_15m, min_traders_15m : an opening needs this many independent authors and traders,
        summed over the last 15 minutes (somebody active in two of them counts twice): one voice or
        one wallet is no crowd.
    """

    lateness_ms: int = 2_000
    backfill_limit_ms: int = 600_000
    candidate_logit_micro: int = -400_000
    candidate_bars: int = 2
    update_step_logit_micro: int = 1_000_000
    update_rise_x: float = 2.0
    fading_bars: int = 60
    fading_patience: float = 0.2
    fading_attention_share: float = 0.6
    fading_drawdown: float = 0.15
    rug_drawdown: float = 0.6
    closed_attention_share: float = 0.1
    closed_bars: int = 2_160
    refractory_bars: int = 2_160
    opening_drawdown: float = 0.5
    mentions: bool = True
    surge_z_return: float = 4.0
    surge_z_trades: float = 4.0
    ticks: bool = True
    attention_z_week: float = 3.5
    min_authors_15m: int = 20
    min_traders_15m: int = 20

    def __post_init__(self) -> None:
        for name, number in asdict(self).items():
            if abs(number) >= 1 << 63:
                raise ConfigError(f"engine.{name} is {str(number)[:40]}", "keep it in 63 bits")
        if not (self.mentions or self.ticks):
            raise ConfigError(
                "engine.mentions and engine.ticks are both false: a log of neither tells nothing",
                "leave one of them true",
            )
        for name, low, high in (
            ("lateness_ms", 0, 600_000),
            ("backfill_limit_ms", self.lateness_ms, 3_600_000),
            ("candidate_bars", 1, 720),
            ("fading_bars", 1, 720),
            ("fading_patience", 0.0, 10.0),
            ("rug_drawdown", 0.0, 1.0),
            ("closed_bars", 1, 17_280),
            ("refractory_bars", 0, 17_280),
            ("update_rise_x", 1.0, 1e6),
            ("fading_attention_share", 0.0, 1.0),
            ("fading_drawdown", 0.0, 1.0),
            ("closed_attention_share", 0.0, 1.0),
            ("opening_drawdown", 0.0, 1.0),
            # below the gate before the trees nothing is scored: a lower limit would promise more
            ("surge_z_return", 3.0, 1e6),
            ("surge_z_trades", 3.0, 1e6),
            ("attention_z_week", 1.0, 1e6),
            ("min_authors_15m", 0, 10_000),
            ("min_traders_15m", 0, 10_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                problem = f"engine.{name} is {value}"
                raise ConfigError(problem, f"write a value from {low} to {high}")

    @property
    def history_ms(self) -> int:
        """How far back the log shows in what is decided, but for an episode that is open.

        >>> (
        ...     EngineSettings().history_ms // 3_600_000,
        ...     EngineSettings(ticks=False).history_ms // 3_600_000,
        ... )
        (25, 170)
        """
        return 25 * HOUR_MS if self.ticks else 170 * HOUR_MS

    def canonical(self) -> dict[str, int | float]:
        """All values by name, for the fingerprint."""
        return asdict(self)
