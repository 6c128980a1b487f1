"""The records: what goes in, what travels between agents, what comes out.

Every time is int milliseconds since 1970 in UTC. ``ts_event_ms`` is when a thing happened, as its
source says; ``ts_log_ms`` is when the log took it in (absent on the wire: the log stamps it).
Unknown fields are ignored, so that a producer may be newer than its reader. Records hold no cycles: those
that come by the million are not looked at by the collector of garbage (``gc=False``).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

SCHEMA_VERSION: Final = 1
MAX_ID_CHARS: Final = 256
MAX_TEXT_CHARS: Final = 20_000
MAX_TOKENS_PER_MENTION: Final = 16

Ms = Annotated[int, Meta(description="milliseconds since 1970-01-01T00:00Z")]
Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARS)]
TokenId = Annotated[
    str,
    Meta(
        max_length=MAX_ID_CHARS,
        description="CAIP-19 asset id, such as "
        "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:<mint> or eip155:8453/erc20:0x<address>",
    ),
]
Decimal = Annotated[
    str | float | int,
    Meta(description="a number, or a decimal string where digits matter"),
]
AlertKind = Literal["candidate", "update", "fading", "closed"]
Trigger = Literal["classifier", "surge", "attention"]


class Mention(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="mention"):
    """One post that may name tokens.

    ``tokens`` is for sources that know what a post is about (a group of one coin, say); the
    resolver reads ``text`` otherwise. ``ts_post_ms`` keeps a polled post's own time, since for
    polled sources ``ts_event_ms`` is the time of observation. ``order`` is the source's own order
    key among records of one time.
    """

    id: Id
    ts_event_ms: Ms
    platform: Annotated[str, Meta(max_length=32)]
    author_id: Id
    text: Annotated[str, Meta(max_length=MAX_TEXT_CHARS)] = ""
    tokens: Annotated[tuple[TokenId, ...], Meta(max_length=MAX_TOKENS_PER_MENTION)] = ()
    reach: Annotated[int, Meta(ge=0, description="followers or members who may see it")] = 0
    lang: str | None = None
    order: int = 0
    ts_post_ms: Ms | None = None
    ts_log_ms: Ms | None = None


class Tick(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="tick"):
    """One trade on a DEX: price of one token and value of the fill, in US dollars."""

    id: Id
    ts_event_ms: Ms
    token: TokenId
    price_usd: Decimal
    value_usd: Decimal
    side: Literal["buy", "sell"]
    trader_id: Id
    liquidity_usd: Decimal | None = None
    venue: str | None = None
    usd_rate: Annotated[
        Decimal | None, Meta(description="US dollars per quote unit the adapter applied")
    ] = None
    order: Annotated[int, Meta(description="block and log index, or the like")] = 0
    ts_log_ms: Ms | None = None


class CheckedText(Struct, frozen=True):
    """A text and the time it was checked."""

    value: str
    ts_checked_ms: Ms


class CheckedNumber(Struct, frozen=True):
    """A number and the time it was checked."""

    value: Decimal
    ts_checked_ms: Ms


class Pool(Struct, frozen=True, omit_defaults=True):
    """A liquidity pool of the token."""

    address: str
    venue: str
    ts_checked_ms: Ms
    liquidity_usd: Decimal | None = None
    ts_created_ms: Ms | None = None


class Authorities(Struct, frozen=True, omit_defaults=True):
    """Who may still mint or freeze: ``None`` is unknown, an empty text is renounced."""

    ts_checked_ms: Ms
    mint: str | None = None
    freeze: str | None = None


class Holders(Struct, frozen=True, omit_defaults=True):
    """Holder count and the share of supply the ten largest hold (0 to 1)."""

    ts_checked_ms: Ms
    count: int | None = None
    top10_share: float | None = None


class TokenInfo(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="token_info"):
    """What is known of a token, each fact with the time it was checked."""

    id: Id
    ts_event_ms: Ms
    token: TokenId
    symbol: CheckedText | None = None
    name: CheckedText | None = None
    creator: CheckedText | None = None
    ts_created_ms: Ms | None = None
    supply: CheckedNumber | None = None
    pools: tuple[Pool, ...] = ()
    authorities: Authorities | None = None
    holders: Holders | None = None
    order: int = 0
    ts_log_ms: Ms | None = None


class Gauge(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="gauge"):
    """A cumulative or level reading of a narrative: hashtag views, an app's rank. Never a mention."""

    id: Id
    ts_event_ms: Ms
    narrative: str
    name: str
    value: float
    cumulative: bool
    platform: str | None = None
    region: str | None = None
    ts_log_ms: Ms | None = None


class Gap(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="gap"):
    """Written into an input that died, by whoever releases it: nothing came in this range.

    Its place in that input's own log is what makes the release the same on replay.
    """

    id: Id
    ts_event_ms: Ms
    ts_from_ms: Ms
    ts_until_ms: Ms
    reason: str
    topic: str | None = None
    ts_log_ms: Ms | None = None


class Heartbeat(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="heartbeat"):
    """Makes silence visible: this input is read up to here.

    The first record of each input carries ``log_start_ms``, the same in all of them: baselines
    count from it.
    """

    id: Id
    ts_event_ms: Ms
    log_start_ms: Ms | None = None
    topic: str | None = None
    ts_log_ms: Ms | None = None


class Control(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="control"):
    """A change of setting, model or lexicon, in force from a log time on."""

    id: Id
    ts_event_ms: Ms
    effective_log_ms: Ms
    setting: str
    value: str
    ts_log_ms: Ms | None = None


Record = Mention | Tick | TokenInfo | Gauge | Gap | Heartbeat | Control


class ResolvedBatch(Struct, frozen=True, array_like=True):
    """Resolved mentions of one upstream partition for one token partition, in upstream order.

    It says how far the upstream is read: offsets ``from_offset`` to ``through_offset``, both
    included, and the clamped log time reached. A batch without rows is pure progress. Columns are
    little-endian bytes: ``token`` i4 (index into ``tokens``), the others i8, one per row, except
    ``ids``. ``offset`` is each row's upstream offset, so that batches cut anew are not read twice.
    """

    schema_version: int
    topic: str
    partition: int
    from_offset: int
    through_offset: int
    through_log_ms: Ms
    log_start_ms: Ms | None
    lexicon: str
    tokens: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    token: bytes = b""
    platform: bytes = b""
    offset: bytes = b""
    ts_event_ms: bytes = b""
    ts_log_ms: bytes = b""
    order: bytes = b""
    author: bytes = b""
    text: bytes = b""
    reach: bytes = b""


class Reason(Struct, frozen=True, gc=False):
    """One feature that mattered: what it was, what it usually is, what it added to the logit."""

    feature: str
    value: float | None
    baseline_mean: float | None
    baseline_deviation: float | None
    baseline_n: int | None
    contribution_logit: float


class Score(Struct, frozen=True, gc=False, tag_field="type", tag="score"):
    """One token's score for one bar. ``None`` is unknown, never 0.

    Without trades the classifier is not asked: ``logit_micro`` is None.
    """

    token: TokenId
    ts_bar_end_ms: Ms
    logit_micro: int | None
    features: dict[str, float | None]
    fingerprint: str


class Alert(Struct, frozen=True, gc=False, tag_field="type", tag="alert"):
    """An immutable decision, and everything needed to judge it.

    ``ts_bar_end_ms`` is the end of the bar that decided; ``ts_available_ms`` is the earliest log
    time at which anyone could know it. ``moved_x_*`` is price now over price then: 3.0 means that a
    threefold rise is already gone. ``*_share_of_peak`` compare with the episode's own peak so far.
    ``trigger`` is the rule that opened the episode, which a candidate alone tells: the classifier's
    score, a surge of price and trades in a log without posts, or attention in one without trades.
    Without trades the classifier is not asked: ``probability`` and ``logit_micro`` are None.
    """

    schema_version: int
    alert_id: str
    kind: AlertKind
    sequence: int
    token: TokenId
    symbol: str | None
    ts_episode_start_ms: Ms
    ts_bar_end_ms: Ms
    ts_available_ms: Ms
    probability: float | None
    logit_micro: int | None
    threshold_logit_micro: int
    price_usd: str | None
    ts_price_ms: Ms | None
    liquidity_usd: float | None
    market_cap_usd: float | None
    moved_x_since_onset: float | None
    moved_x_1h: float | None
    price_share_of_peak: float | None
    attention_share_of_peak: float | None
    mentions_60s: int
    authors_60s: int
    trades_60s: int
    traders_60s: int
    late_share: float
    baseline_coverage: float
    reasons: tuple[Reason, ...]
    evidence: tuple[str, ...]
    fingerprint: str
    trigger: Trigger | None = None


class DeadLetter(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="dead_letter"):
    """A record that could not be used, kept with its error and its place."""

    code: str
    problem: str
    place: str
    ts_log_ms: Ms
    field: str = ""
    remedy: str = ""
    raw: bytes = b""
