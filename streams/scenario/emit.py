"""From columns of posts and trades to records in log order, or straight to the engine's columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.columns import INFO, MENTION, TICK, UNKNOWN, Columns
from detectors.hashing import hash64, text_fingerprint
from schemas.platforms import PLATFORMS
from schemas.records import Heartbeat, Mention, Record, Tick, TokenInfo
from streams.scenario.market import decimal_parts
from streams.scenario.rows import I8, Posts, Trades


@dataclass(frozen=True)
class Tape:
    """Everything a generator made, not yet in order.

    Parameters
    ----------
    tag : begins every id, so that two tapes never share one.
    tokens : CAIP-19 ids by the coin's number.
    named : whether posts carry their token's id; otherwise only their text tells.
    log_start_ms, log_end_ms : the first and last log times: heartbeats stand there.
    """

    tag: str
    tokens: tuple[str, ...]
    texts: tuple[str, ...]
    posts: Posts
    trades: Trades
    others: tuple[Record, ...]
    named: bool
    log_start_ms: int
    log_end_ms: int


def heartbeats(tape: Tape, every_ms: int) -> Iterator[Heartbeat]:
    """The log's first record, with its start, then one each ``every_ms``, and its last."""
    times = [*range(tape.log_start_ms, tape.log_end_ms, every_ms), tape.log_end_ms]
    for i, ts in enumerate(times):
        start = tape.log_start_ms if i == 0 else None
        yield Heartbeat(f"{tape.tag}h{i}", ts, log_start_ms=start, ts_log_ms=ts)


def records(tape: Tape, heartbeat_every_ms: int) -> Iterator[Record]:
    """All records in the order of their log time; a heartbeat is first and last.

    Among equal log times: heartbeats (but for the last one), then other records, posts, trades.
    """
    posts, trades = tape.posts, tape.trades
    beats = list(heartbeats(tape, heartbeat_every_ms))
    single: list[Record] = [*beats[:-1], *tape.others]
    times = np.concatenate(
        [np.array([_log_ms(r) for r in single], np.int64), posts.ts_log_ms, trades.ts_log_ms]
    )
    n_single, n_posts = len(single), len(posts)
    makers = _post_maker(tape), _trade_maker(tape)
    for i in np.argsort(times, kind="stable").tolist():
        if i < n_single:
            yield single[i]
        elif i < n_single + n_posts:
            yield makers[0](i - n_single)
        else:
            yield makers[1](i - n_single - n_posts)
    yield beats[-1]


def columns(tape: Tape) -> Columns:
    """What the engine would get from the tape's records, sorted by log time, without making them.

    Only for a tape whose posts are ``named``; other records than token infos are left out.
    """
    posts, trades = tape.posts, tape.trades
    infos = [r for r in tape.others if isinstance(r, TokenInfo)]
    number = {token: i for i, token in enumerate(tape.tokens)}
    n_info, n_post, n_trade = len(infos), len(posts), len(trades)
    prints = np.array([text_fingerprint(t) for t in tape.texts], np.int64)
    mantissa, exponent = decimal_parts(trades.price)
    ids = [r.id for r in infos]
    ids += [f"{tape.tag}m{i}" for i in range(n_post)] + [f"{tape.tag}t{i}" for i in range(n_trade)]
    supplies = [UNKNOWN if r.supply is None else int(float(r.supply.value)) for r in infos]
    created = [UNKNOWN if r.ts_created_ms is None else r.ts_created_ms for r in infos]

    def stack(info: Iterable[int], post: I8, trade: I8) -> I8:
        return np.concatenate([np.array(list(info), np.int64), post, trade])

    zeros = np.zeros(n_post, np.int64)
    log_ms = stack([_log_ms(r) for r in infos], posts.ts_log_ms, trades.ts_log_ms)
    order = np.argsort(log_ms, kind="stable")
    token = stack([number[r.token] for r in infos], posts.token, trades.token)
    kind = np.repeat(np.array([INFO, MENTION, TICK]), [n_info, n_post, n_trade])
    return Columns(
        tokens=list(tape.tokens),
        token=token[order].astype(np.int32),
        kind=kind[order].astype(np.uint8),
        aux=stack([0] * n_info, posts.platform, trades.side)[order].astype(np.uint8),
        ts_event_ms=stack([r.ts_event_ms for r in infos], posts.ts_event_ms, trades.ts_event_ms)[
            order
        ],
        ts_log_ms=log_ms[order],
        order=stack([0] * n_info, zeros, trades.order)[order],
        id=np.array([hash64(i) for i in ids], np.int64)[order],
        who=stack([0] * n_info, _authors(posts), _traders(trades))[order],
        a=stack(created, prints[posts.text], _packed(mantissa, exponent))[order],
        b=stack(supplies, posts.reach, np.rint(trades.value * 100).astype(np.int64) * 10_000)[
            order
        ],
        c=stack([UNKNOWN] * n_info, zeros, trades.liquidity.astype(np.int64) * 1_000_000)[order],
    )


def _log_ms(record: Record) -> int:
    return record.ts_event_ms if record.ts_log_ms is None else record.ts_log_ms


def _packed(mantissa: I8, exponent: I8) -> I8:
    """Six digits packed as detectors.price packs them: no trailing zeros."""
    mantissa, exponent = mantissa.copy(), exponent.copy()
    for _ in range(6):
        even = (mantissa % 10 == 0) & (mantissa > 0)
        mantissa = np.where(even, mantissa // 10, mantissa)
        exponent = exponent + even
    return mantissa * 256 + exponent + 128


def _hashed(names: Sequence[str], inverse: I8) -> I8:
    return np.array([hash64(name) for name in names], np.int64)[inverse]


def _authors(posts: Posts) -> I8:
    key = posts.author * 16 + posts.platform
    unique, inverse = np.unique(key, return_inverse=True)
    return _hashed([_author(int(k) % 16, int(k) // 16) for k in unique], inverse)


def _traders(trades: Trades) -> I8:
    unique, inverse = np.unique(trades.trader, return_inverse=True)
    return _hashed([f"w{k}" for k in unique.tolist()], inverse)


def _author(platform: int, author: int) -> str:
    return f"{PLATFORMS[platform]}:u{author}"


class _post_maker:  # noqa: N801 (a closure over columns, written as a class for speed)
    def __init__(self, tape: Tape) -> None:
        p = tape.posts
        self._tape = tape
        self._rows = list(
            zip(
                p.token.tolist(),
                p.platform.tolist(),
                p.ts_event_ms.tolist(),
                p.ts_post_ms.tolist(),
                p.ts_log_ms.tolist(),
                p.author.tolist(),
                p.text.tolist(),
                p.reach.tolist(),
                strict=True,
            )
        )

    def __call__(self, i: int) -> Mention:
        tape = self._tape
        token, platform, event, post, log, author, text, reach = self._rows[i]
        return Mention(
            id=f"{tape.tag}m{i}",
            ts_event_ms=event,
            platform=PLATFORMS[platform],
            author_id=_author(platform, author),
            text=tape.texts[text],
            tokens=(tape.tokens[token],) if tape.named and token >= 0 else (),
            reach=reach,
            ts_post_ms=post if post != event else None,
            ts_log_ms=log,
        )


class _trade_maker:  # noqa: N801
    def __init__(self, tape: Tape) -> None:
        t = tape.trades
        self._tape = tape
        self._rows = list(
            zip(
                t.token.tolist(),
                t.side.tolist(),
                t.ts_event_ms.tolist(),
                t.ts_log_ms.tolist(),
                t.order.tolist(),
                t.trader.tolist(),
                t.price.tolist(),
                t.value.tolist(),
                t.liquidity.tolist(),
                strict=True,
            )
        )

    def __call__(self, i: int) -> Tick:
        tape = self._tape
        token, side, event, log, order, trader, price, value, liquidity = self._rows[i]
        return Tick(
            id=f"{tape.tag}t{i}",
            ts_event_ms=event,
            token=tape.tokens[token],
            price_usd=price,
            value_usd=value,
            side="sell" if side else "buy",
            trader_id=f"w{trader}",
            liquidity_usd=liquidity,
            order=order,
            ts_log_ms=log,
        )
