"""Every topic, declared once: partitions, retention, compaction, timestamp type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

DAY_MS: Final = 86_400_000

MENTIONS: Final = "social.mentions.v1"
TICKS: Final = "dex.ticks.v1"
TOKEN_INFO: Final = "tokens.info.v1"
GAUGES: Final = "attention.gauges.v1"
CONTROL: Final = "control.v1"
RESOLVED: Final = "mentions.resolved.v1"
ALERTS: Final = "alerts.v1"
SCORES: Final = "scores.v1"
CHECKPOINTS: Final = "checkpoints.v1"
DEAD_LETTERS: Final = "deadletters.v1"
HEAT: Final = "narratives.heat.v1"


@dataclass(frozen=True)
class TopicSpec:
    """How a topic is created.

    Parameters
    ----------
    name : topic name.
    keyed_by : what the message key is; ``token`` topics have equal partition counts and are
        co-partitioned.
    retention_ms : how long records are kept; -1 is for ever.
    compacted : the newest message of each key is kept.
    raw_input : records enter goldendog here, and the log stamps their time.
    """

    name: str
    keyed_by: Literal["token", "partition", "narrative", "none"]
    retention_ms: int
    compacted: bool = False
    raw_input: bool = False


TOPICS: Final = (
    TopicSpec(MENTIONS, "none", 8 * DAY_MS, raw_input=True),
    TopicSpec(TICKS, "token", 8 * DAY_MS, raw_input=True),
    TopicSpec(TOKEN_INFO, "token", 30 * DAY_MS, raw_input=True),
    TopicSpec(GAUGES, "narrative", 30 * DAY_MS, raw_input=True),
    TopicSpec(CONTROL, "none", -1, raw_input=True),
    TopicSpec(RESOLVED, "token", 8 * DAY_MS),
    TopicSpec(HEAT, "token", 7 * DAY_MS),
    TopicSpec(ALERTS, "token", 90 * DAY_MS),
    TopicSpec(SCORES, "token", 3 * DAY_MS),
    TopicSpec(CHECKPOINTS, "partition", -1, compacted=True),
    TopicSpec(DEAD_LETTERS, "none", 30 * DAY_MS),
)
BY_NAME: Final = {spec.name: spec for spec in TOPICS}
RAW_TOPIC_OF_TYPE: Final = {
    "mention": MENTIONS,
    "tick": TICKS,
    "token_info": TOKEN_INFO,
    "gauge": GAUGES,
    "control": CONTROL,
}
TOKEN_INPUTS: Final = (TICKS, TOKEN_INFO)
"""Raw topics the detector reads itself; mentions reach it resolved."""
