"""Compiled batches give what the plain functions give one text at a time, for any text."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.batch.fold import fold_row
from detectors.batch.resolver import BatchResolver
from detectors.batch.strings import Strings
from detectors.batch.text_table import TextTable
from detectors.batch.unicode import CHAR, LIMIT, tables
from detectors.batch.xxh64 import hashes
from detectors.hashing import hash64, text_fingerprint
from detectors.resolve.lexicon import Lexicon
from detectors.resolve.normalise import normalise
from detectors.resolve.resolver import Resolver
from schemas.tokens import SOLANA_MAINNET
from streams.scenario.coins import ALL, lexicon_text
from streams.scenario.talk import CHATTER, chatter_texts, coin_texts
from tests.helpers.records import prints_of

ROOT = Path(__file__).parents[2]
MINTS = (
    "2M4QNeba4PAorsCmi6gkg3Gn7NvBqnL9A6BTj9zApump",
    "EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm",
    "7R4zU5pgHFxRQaNUhhCAPFXaSN6AWiheD6rRfkFJpump",
)
UNLISTED = (
    "ErFms69qZsjmdGby8wkFrris2nb4Umrk6vqUGBw9kbkS",
    "So11111111111111111111111111111111111111112",
    "11111111111111111111111111111111",
    "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi",
)
EVM = "0x6982508145454ce325ddbe47a25d4ec3d2311933"
EVM_MIXED = "0x6982508145454Ce325dDbE47a25d4ec3d2311933"
COINS: tuple[dict[str, Any], ...] = (
    {"symbol": "MOMO", "aliases": ["momo", "小粉龙", "مومو"], "context": ["龙"], "ambiguous": True},
    {"symbol": "MOMO", "aliases": ["momo", "baby momo", "薯队长"], "liquidity_class": "low"},
    {
        "symbol": "薯队长",
        "aliases": ["队长", "pink dinosaur", "redñote"],
        "context": ["cat", "发射"],
    },
    {"symbol": "100K", "aliases": ["ratio", "शिबा"], "ambiguous": True, "context": ["moon"]},
    {"symbol": "TWIN", "aliases": ["twin"], "context": ["left"]},
    {"symbol": "TWIN", "aliases": ["twin", "twins"], "context": ["right"]},
)
IDS = (
    *(f"{SOLANA_MAINNET}/token:{mint}" for mint in MINTS),
    "eip155:1/erc20:0x" + "1f" * 20,
    f"eip155:1/erc20:{EVM}",
    f"eip155:8453/erc20:{EVM}",
)
TOKENS = [coin | {"token": token} for coin, token in zip(COINS, IDS, strict=True)]
DOCUMENT = {
    "versions": [
        {"version": 1, "effective_log_ms": 10, "tokens": TOKENS[:2]},
        {"version": 2, "effective_log_ms": 20, "tokens": TOKENS},
        {"version": 3, "effective_log_ms": 30, "tokens": []},
    ]
}
LEXICON = Lexicon.parse(json.dumps(DOCUMENT))
HIDDEN = ("\u200b", "\u200d", "\ufeff", "\u202e", "\u00ad", "\ufe0f", "\u180b", "\u3164")
MARKS = (
    "\u0301",
    "\u0303",
    "\u0327",
    "\u0316",
    "\u064b",
    "\u0651",
    "\u0640",
    "\u093c",
    "\u3099",
    "\u0345",
)
PIECES = (
    "momo", "MOMO", "$", "$MOMO", "$momo", "＄MOMO", "baby ", "小粉龙", "小粉龍", "薯隊長", "مومو", "مــومو", "РЕРЕ",
    " ", "  ", "\n", "\u3000", "\x1f", "@", "#", "_", "coin", "冲", "cat", "moon", "ratio", "शिबा", "$100K", "$twin",
    "twin", "twins", "left", "right", "pink dinosaur", "dinosaurs", "100", "k", "🐶", "http://", "https://x.io/momo",
    "://", "ftp://momo.a/", "a+b://", "/tx/", "?user=", "POOL/", "dexscreener.com/solana/", "0x", "redn\u0303ote",
    "f" * 40, "é", "가", "ᄀ", "ᅡ", "ᆨ", "ｶ", "ﾞ", "ﷺ", "ß", "İ", "ǆ", "①", "𝗠𝗢𝗠𝗢", "\U000e0067", "\U00020000", "x" * 50,
    EVM, EVM_MIXED, EVM.upper(), EVM.upper().replace("X", "x"), EVM_MIXED.replace("C", "c"), *HIDDEN, *MARKS, *MINTS,
    *UNLISTED,
)  # fmt: skip
TEXT = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=[]), max_size=40),
    st.lists(
        st.one_of(st.sampled_from(PIECES), st.text(alphabet=st.characters(), max_size=3)),
        max_size=24,
    ).map("".join),
)
BATCH = BatchResolver(LEXICON)
PLAIN = Resolver(LEXICON)


def check(texts: list[str], times: list[int], batch: BatchResolver, plain: Resolver) -> None:
    batch.begin()
    found = batch.resolve(Strings.of(texts), np.array(times, np.int64))
    assert found.row.tolist() == sorted(found.row.tolist())
    named: list[list[str]] = [[] for _ in texts]
    for row, token in zip(found.row.tolist(), found.token.tolist(), strict=True):
        named[row].append(batch.numbering.names[token])
    prints = prints_of(batch, texts)
    for i, (text, at) in enumerate(zip(texts, times, strict=True)):
        assert sorted(named[i]) == list(plain.named(text, at)), repr(text)
        assert prints[i] == text_fingerprint(text), repr(text)
        assert not named[i] or found.prints[i] == prints[i], repr(text)


@given(st.lists(st.tuples(TEXT, st.sampled_from([0, 10, 20, 25, 30])), max_size=12))
@settings(max_examples=1_500, deadline=None)
def test_any_posts(posts: list[tuple[str, int]]) -> None:
    check([text for text, _ in posts], [at for _, at in posts], BATCH, PLAIN)


def scenario_texts(n: int) -> list[str]:
    rng = np.random.default_rng(5)
    texts = [text for coin in ALL for text in coin_texts(rng, coin, n)]
    return texts + [text for subject in CHATTER for text in chatter_texts(rng, subject, 8 * n)]


def test_posts_of_the_scenario() -> None:
    lexicon = Lexicon.parse(lexicon_text())
    texts = scenario_texts(30)
    check(texts, [0] * len(texts), BatchResolver(lexicon), Resolver(lexicon))
    certain = Strings.of(texts)
    assert sum(folded(certain, i) is not None for i in range(len(texts))) == len(texts)


def folded(texts: Strings, row: int) -> str | None:
    """The compiled copy; None where it is left to the plain way."""
    start, end = int(texts.starts[row]), int(texts.ends[row])
    copy = np.empty(6 * (end - start) + 1, np.int32)
    n, _ = fold_row(texts.data, start, end, tables(), copy)
    return None if n < 0 else "".join(map(chr, (copy[:n] & CHAR).tolist()))


def test_every_character_between_letters() -> None:
    texts = [f"a{chr(c)}B {chr(c)}" for c in range(LIMIT)]
    slices = Strings.of(texts)
    unsure = 0
    for i, text in enumerate(texts):
        copy = folded(slices, i)
        unsure += copy is None
        assert copy in (None, normalise(text)), repr(text)
    assert unsure < 70_000  # most of them unassigned


@given(st.lists(st.sampled_from([*MARKS, *HIDDEN, *"aéßİ가각ｶﾞक़ดาﷺ①Ａ龍مـ "]), max_size=12))
@settings(max_examples=2_000, deadline=None)
def test_characters_that_change_each_other(chars: list[str]) -> None:
    text = "".join(chars)
    assert folded(Strings.of([text]), 0) in (None, normalise(text))


@given(
    st.lists(
        st.one_of(st.text(), st.text(alphabet=st.characters(exclude_categories=[]), min_size=60))
    )
)
@settings(deadline=None)
def test_any_hashes(texts: list[str]) -> None:
    assert hashes(Strings.of(texts)).tolist() == [hash64(text) for text in texts]


@given(st.lists(st.lists(st.sampled_from([*PIECES, ""]))))
@settings(deadline=None)
def test_numbers_of_texts_that_come_again(batches: list[list[str]]) -> None:
    table = TextTable(hash64)
    for texts in batches:
        rows = np.arange(0, len(texts), 2)
        found = table.numbers(Strings.of(texts), rows)
        assert found.tolist() == [0 if i % 2 else hash64(text) for i, text in enumerate(texts)]


def digest() -> str:
    """Hash over what a few hundred posts give."""
    lexicon = Lexicon.parse(lexicon_text())
    texts = [
        *scenario_texts(2),
        *PIECES,
        *("".join(pair) for pair in pairwise(PIECES)),
    ]
    out = hashlib.sha256()
    for resolver in (BatchResolver(lexicon), BatchResolver(LEXICON)):
        found = resolver.resolve(Strings.of(texts), np.full(len(texts), 20))
        for column in found:
            out.update(column.tobytes())
        out.update("\n".join(resolver.numbering.names).encode())
    return out.hexdigest()


def test_uncompiled_kernels_give_the_same() -> None:
    code = "from tests.property.test_batch_equals_plain import digest; print(digest())"
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == digest()


SHARED = [
    {
        "token": f"eip155:1/erc20:0x{i:040x}",
        "symbol": ("ONE", "TWO")[i % 2],
        "aliases": [("one", "two")[i % 2]],
        "context": [f"own{i % 5}"],
        "liquidity_class": "low" if i < 9 else "unknown",
    }
    for i in range(12)
]
SHARED_LEXICON = Lexicon.parse(
    json.dumps({"versions": [{"version": 1, "effective_log_ms": 0, "tokens": SHARED}]})
)
SHARED_BATCH, SHARED_PLAIN = BatchResolver(SHARED_LEXICON), Resolver(SHARED_LEXICON)


@given(
    st.lists(
        st.sampled_from(
            [
                "one",
                "two",
                "$one",
                "$two",
                "coin",
                *(f"own{i}" for i in range(5)),
                "x" * 20,
                "y" * 50,
            ]
        ),
        max_size=60,
    ),
    st.sampled_from([" ", "  ", ", "]),
)
@settings(max_examples=600, deadline=None)
def test_words_that_many_tokens_share_beside_others_near_and_far(
    words: list[str], between: str
) -> None:
    check([between.join(words)], [0], SHARED_BATCH, SHARED_PLAIN)
