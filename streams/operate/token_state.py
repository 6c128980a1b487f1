"""A token's state as the newest checkpoint of its partition has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.kernels import episodes as ep
from detectors.kernels.features import other_features
from detectors.kernels.windows import advance
from detectors.knobs import knobs
from detectors.layout import BAR_MS, EXPIRE_BARS, N_FEATURES
from detectors.model import MICRO
from detectors.snapshot import Parts, unpack_snapshot
from schemas.errors import StateError, UserError
from schemas.records import Alert
from schemas.topics import CHECKPOINTS, MENTIONS
from streams.control.decisions import CONTROL_INPUT
from streams.detection import Detection
from streams.explore.names import Wanted, ambiguous, near_ids, wanted
from streams.explore.seen import Feature, Seen
from streams.log.base import Log
from streams.operate.checkpoints import now_ms
from streams.sources.places import token_partition
from streams.worker.checkpoint import CheckpointStore
from streams.worker.checkpoint_book import Manifest
from streams.worker.inputs import input_names

STATES: Final = ("none", "open", "fading")


@dataclass(frozen=True)
class Episode:
    """The one under way, or the last.

    Parameters
    ----------
    state : none, open or fading.
    ts_start_ms, ts_end_ms : of the last one if none is under way; null where there never was one.
    alerts : how many of the one under way were given.
    moved_x_since_onset, price_share_of_peak, attention_share_of_peak : of the one under way.
    """

    state: str
    ts_start_ms: int | None
    ts_end_ms: int | None
    alerts: int
    moved_x_since_onset: float | None
    price_share_of_peak: float | None
    attention_share_of_peak: float | None


@dataclass(frozen=True)
class TokenState:
    """What the detector knows of a token where bars are closed up to ``closed_ms``.

    Parameters
    ----------
    partition, checkpoint, age_s, fingerprint : whose state it is, and how old.
    first_record_ms, last_record_ms : ends of the first and the last bar that held a record.
    waiting : records that await the close of their bar.
    logit, probability : null where the settings here are not those of the state, and where trades
        are not recorded (``ticks = false``).
    features : by what they add; z-scores with their baselines.
    """

    token: str
    symbol: str | None
    partition: int
    checkpoint: str
    age_s: float
    fingerprint: str
    closed_ms: int
    first_record_ms: int
    last_record_ms: int
    waiting: int
    mentions_60s: int
    authors_60s: int
    trades_60s: int
    traders_60s: int
    price_usd: str | None
    ts_price_ms: int | None
    liquidity_usd: float | None
    market_cap_usd: float | None
    ts_created_ms: int | None
    baseline_coverage: float
    logit: float | None
    probability: float | None
    episode: Episode
    features: tuple[Feature, ...]
    notes: tuple[str, ...] = ()


async def token_state(log: Log, text: str, detection: Detection) -> TokenState:
    """Look a token up by its CAIP-19 id, contract address, or symbol of the lexicon.

    Raises
    ------
    UserError
        There is no checkpoint, the token is unknown to it, or the text can mean several.
    """
    symbols = detection.lexicon.symbols()
    named = wanted(text, symbols)
    count = await log.partitions(CHECKPOINTS)
    own = {token_partition(token, count) for token in named.ids}
    found: list[tuple[str, Manifest, Parts, int]] = []
    seen: list[str] = []
    manifests: list[Manifest] = []
    for p in sorted(range(count), key=lambda p: p not in own):  # the others for what is near
        if own and p not in own and found:
            break
        if (loaded := await _newest(log, p)) is None:
            continue
        manifest, written_ms, parts = loaded
        manifests.append(manifest)
        for token, slot in parts.slots.tokens():
            if not _lives(parts, slot):
                continue
            seen.append(token)
            if named.fits(token):
                found.append((token, manifest, parts, written_ms))
    if not manifests:
        raise UserError(
            "there is no checkpoint yet",
            "workers write one every ten seconds while records come",
        )
    if len({token for token, *_ in found}) > 1:
        raise ambiguous(text, {token for token, *_ in found})
    if not found:
        raise _no_state(named, seen, symbols, manifests)
    return _told(*found[0], detection)


async def _newest(log: Log, p: int) -> tuple[Manifest, int, Parts] | None:
    names = [*input_names(p, await log.partitions(MENTIONS)), CONTROL_INPUT]
    for packed in await CheckpointStore(log).whole(p):
        manifest = packed.manifest
        try:
            checkpoint = await packed.unpacked()
            parts = unpack_snapshot(checkpoint.state, manifest.fingerprint, names)
        except StateError:  # as a worker would: the one before
            continue
        return manifest, packed.written_ms, parts
    return None


def _lives(parts: Parts, slot: int) -> bool:
    """Whether a slot holds something that was not forgotten since."""
    state = parts.slots.state[slot]
    silent = parts.next_bar - 1 - int(state["bar"])
    return bool(state["bar"]) and (bool(state["ep"]) or silent <= EXPIRE_BARS)


def _no_state(
    named: Wanted, seen: list[str], symbols: Mapping[str, str], manifests: list[Manifest]
) -> UserError:
    from streams.run.report import utc

    until = utc(min(manifest.closed_ms for manifest in manifests))
    ids = f" ({', '.join(sorted(named.ids))})" if named.ids and "/" not in named.text else ""
    problem = f"{named.text}{ids} has no state: no record of it in the 25 hours up to {until}"
    near = near_ids(next(iter(named.ids), named.text), sorted(set(seen) - named.ids), symbols)
    if near:
        return UserError(problem, f"did you mean {near}")
    return UserError(problem, f"{len(seen):,} other tokens have some")


def _told(
    token: str, manifest: Manifest, parts: Parts, written_ms: int, detection: Detection
) -> TokenState:
    slot = dict(parts.slots.tokens())[token]
    record = parts.slots.state[slot].copy()
    bar = parts.next_bar - 1
    if bar > int(record["bar"]):
        advance(record, np.int64(bar))
        record["bar"] = bar
    seen = Seen.of(record, bar, parts.progress.log_start_ms or 0)
    features = seen.features.copy()
    other_features(
        record, bar, seen.counts, seen.long, features, seen.means, np.zeros(64, np.int64),
        knobs(detection.settings),
    )  # fmt: skip
    same = manifest.fingerprint == detection.fingerprint
    logit_micro = _logit(detection, features)
    kind = ep.UPDATE if record["ep"] else ep.CANDIDATE
    draft = seen.alert(detection, token, features, logit_micro, kind)
    scored = same and detection.settings.ticks  # the classifier knows nothing that does not trade
    added = detection.model.contributions(features) if scored else np.zeros(N_FEATURES)
    created, first = int(record["created_ms"]), int(record["first_bar"])
    other = (
        f"the state is of fingerprint {manifest.fingerprint}, and settings, model and lexicon here "
        f"make {detection.fingerprint}: no score is told"
    )
    return TokenState(
        token=token,
        symbol=detection.lexicon.symbols().get(token),
        partition=manifest.partition,
        checkpoint=manifest.checkpoint,
        age_s=max(0, now_ms() - written_ms) / 1000,
        fingerprint=manifest.fingerprint,
        closed_ms=manifest.closed_ms,
        first_record_ms=(first + 1) * BAR_MS,
        last_record_ms=(int(record["last_bar"]) + 1) * BAR_MS,
        waiting=int(np.count_nonzero(parts.pend["slot"] == slot)),
        mentions_60s=draft.mentions_60s,
        authors_60s=draft.authors_60s,
        trades_60s=draft.trades_60s,
        traders_60s=draft.traders_60s,
        price_usd=draft.price_usd,
        ts_price_ms=draft.ts_price_ms,
        liquidity_usd=draft.liquidity_usd,
        market_cap_usd=draft.market_cap_usd,
        ts_created_ms=created if created >= 0 else None,
        baseline_coverage=draft.baseline_coverage,
        logit=logit_micro / MICRO if scored else None,
        probability=draft.probability if scored else None,
        episode=_episode(record, draft),
        features=seen.told(features, added),
        notes=() if same else (other,),
    )


def _logit(detection: Detection, features: Any) -> int:
    from detectors.kernels.trees import logit_micro

    model = detection.model
    return int(logit_micro(features, model.trees, model.base))


def _episode(record: Any, draft: Alert) -> Episode:
    state, ended = STATES[int(record["ep"])], int(record["ep_end"])
    open_ = state != "none"
    return Episode(
        state=state,
        ts_start_ms=int(record["ep_start"]) * BAR_MS if open_ or ended >= 0 else None,
        ts_end_ms=(ended + 1) * BAR_MS if ended >= 0 and not open_ else None,
        alerts=int(record["ep_seq"]) + 1 if open_ else 0,
        moved_x_since_onset=draft.moved_x_since_onset if open_ else None,
        price_share_of_peak=draft.price_share_of_peak if open_ else None,
        attention_share_of_peak=draft.attention_share_of_peak if open_ else None,
    )
