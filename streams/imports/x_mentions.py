"""Counts of posts on X by coin and minute, expanded to one mention a post.

A row is one coin's minute, or as many minutes as is said: ``t`` (its first, in minutes since 1970),
``coin`` (its cashtag without ``$``), ``tweets`` and ``users`` (how many different people wrote them).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detectors.hashing import hash64
from schemas.errors import UserError
from streams.imports.adapter import Adapter, check_times
from streams.imports.delays import Delays
from streams.imports.sink import rows_of
from streams.imports.table import Rejecter, Rows, Table
from streams.imports.tally import Tally
from streams.imports.tickers import is_ticker, ticker_token

LAYOUT: Final = "docs/import.md lists the columns of x-mentions"
MAX_PER_MINUTE: Final = 100_000
MAX_MINUTES: Final = 1_440
SLICE_MENTIONS: Final = 200_000
MINUTE_MS: Final = 60_000
I8 = NDArray[np.int64]


class XMentions(Adapter):
    """Minute counts to mentions.

    Parameters
    ----------
    path, delays : as of every adapter.
    minutes : how many a row counts. Raises UserError for less than 1 or more than a day's.
    """

    name: ClassVar[str] = "x-mentions"

    def __init__(self, path: Path, delays: Delays, *, minutes: int = 1) -> None:
        super().__init__(path, delays)
        if not 1 <= minutes <= MAX_MINUTES:
            raise UserError(f"--minutes is {minutes}", f"write 1 to {MAX_MINUTES:,}")
        self._row_ms = minutes * MINUTE_MS
        self._row, self._span = (
            ("minute", "it") if minutes == 1 else ("row", f"its {minutes} minutes")
        )
        self._numbers: dict[str, int] = {}
        self._salts: list[int] = []
        self._table = Table(
            path, {"t": "int", "coin": "text", "tweets": "int", "users": "int"}, {}, LAYOUT
        )

    def assumptions(self) -> list[str]:
        """What stands in for what the source does not say."""
        return [
            (
                f"a {self._row}'s posts are spread over {self._span} by a hash of coin, minute and post: evenly, "
                "and the same in every import"
            ),
            (
                f"a {self._row}'s posts are dealt to its users in turn; nothing is known of who wrote in two "
                f"{self._row}s, so every {self._row} has users of its own"
            ),
            "posts have no text, so none is a copy of another, and no reach",
            "coins have no contract: a token id is made of the ticker",
        ]

    def total_rows(self) -> int | None:
        """Coin-minutes of the file."""
        return self._table.total_rows()

    def batches(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Mentions, in order of time where the file's minutes are."""
        held = np.empty((4, 0), np.int64)
        for rows in self._table.read(tally):
            found = np.concatenate([held, self._minutes(rows, tally)], axis=1)
            tally.check()
            if not found.shape[1]:
                continue
            # the last minute may go on in the next batch
            last = found[0] == found[0, -1]
            held = found[:, last]
            yield from self._expanded(found[:, ~last], tally)
        yield from self._expanded(held, tally)

    def _minutes(self, rows: Rows, tally: Tally) -> I8:
        """Minute, coin's number, posts and users of the good rows, int64[4, N]."""
        check = Rejecter(rows, tally)
        t, tweets, users = rows.ints("t"), rows.ints("tweets"), rows.ints("users")
        coded = rows.batch["coin"].fill_null("").dictionary_encode()
        names = [name.strip().upper() for name in coded.dictionary.to_pylist()]
        named = np.array([is_ticker(name) for name in names], np.bool_)
        code = coded.indices.to_numpy(zero_copy_only=False)
        check_times(check, t, "t", "minutes")
        check.unless(named[code], "bad_coin", "no coin", "write the coin's ticker", "coin")
        check.unless((tweets >= 1) & (tweets <= MAX_PER_MINUTE), "bad_number",
                     f"not 1 to {MAX_PER_MINUTE:,} posts", "write how many there were", "tweets")  # fmt: skip
        check.unless((users >= 1) & (users <= tweets), "bad_number",
                     "not from 1 to as many users as posts",
                     "write how many different people wrote them", "users")  # fmt: skip
        number = np.array([self._number(name) for name in names], np.int64)
        good = check.good
        return np.stack([t[good], number[code][good], tweets[good], users[good]])

    def _number(self, coin: str) -> int:
        if coin not in self._numbers:
            self._numbers[coin] = len(self._numbers)
            self._salts.append(hash64(f"goldendog:x-mentions:{coin}"))
            self.symbols[ticker_token(coin)] = coin
        return self._numbers[coin]

    def _expanded(self, minutes: I8, tally: Tally) -> Iterator[pa.RecordBatch]:
        if not minutes.shape[1]:
            return
        key = minutes[0] * (1 << 20) + minutes[1]
        first = np.zeros(len(key), np.bool_)
        first[np.unique(key, return_index=True)[1]] = True
        if not first.all():
            again = np.flatnonzero(~first)
            coins = list(self._numbers)
            tally.reject(
                "duplicate", "this coin has this minute already", "keep one row of each",
                [None] * len(again),
                [{"t": int(minutes[0, i]), "coin": coins[minutes[1, i]]} for i in again],
            )  # fmt: skip
            minutes = minutes[:, first]
        minutes = minutes[:, np.argsort(minutes[0], kind="stable")]
        # whole minutes, of at most SLICE_MENTIONS where one minute allows it
        ends = np.flatnonzero(np.append(minutes[0, 1:] != minutes[0, :-1], True)) + 1
        done = np.cumsum(minutes[2])[ends - 1]
        start = 0
        before = 0
        while start < minutes.shape[1]:
            k = max(int(np.searchsorted(done, before + SLICE_MENTIONS, side="right")) - 1, 0)
            k = k if ends[k] > start else int(np.searchsorted(ends, start, side="right"))
            yield self._mentions(minutes[:, start : ends[k]])
            start, before = int(ends[k]), int(done[k])

    def _mentions(self, minutes: I8) -> pa.RecordBatch:
        t, number, tweets, users = minutes
        row = np.repeat(np.arange(len(t)), tweets)
        post = np.arange(len(row)) - np.repeat(np.cumsum(tweets) - tweets, tweets)
        salt = np.array(self._salts, np.uint64)[number]
        mixed = _mix(
            salt[row] ^ _mix(t[row].astype(np.uint64) << np.uint64(20) | post.astype(np.uint64))
        )
        offset = (mixed >> np.uint64(11)).astype(np.int64) % self._row_ms
        at = t[row] * MINUTE_MS + offset
        order = np.argsort(at, kind="stable")
        row, post, at = row[order], post[order], at[order]
        coins = list(self._numbers)
        where = pc.binary_join_element_wise(
            pa.array([coins[k] for k in number], pa.string()),
            pc.cast(pa.array(t), pa.string()),
            ":",
        ).take(pa.array(row))
        tokens = pa.array(list(self.symbols), pa.string()).take(pa.array(number[row]))
        n = len(row)
        delay = self.delays.log_ms("mentions")
        stamp = self.delays.event_ms("mentions")
        return rows_of(
            "mention",
            n,
            {
                "id": pc.binary_join_element_wise("x", where, _text(post), ":"),
                "ts_event_ms": at + stamp,
                "ts_log_ms": at + delay,
                "ts_post_ms": at if stamp else None,
                "platform": pa.repeat(pa.scalar("x"), n),
                "author_id": pc.binary_join_element_wise("u", where, _text(post % users[row]), ":"),
                "tokens": pa.ListArray.from_arrays(np.arange(n + 1, dtype=np.int32), tokens),
            },
        )


def _text(numbers: I8) -> pa.Array:
    return pc.cast(pa.array(numbers), pa.string())


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter bits (the finaliser of SplitMix64)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
