"""What holds of the resolver for any text."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.resolve.lexicon import Lexicon
from detectors.resolve.normalise import fold, normalise, visible
from detectors.resolve.resolver import Resolver
from schemas.records import Mention
from schemas.tokens import SOLANA_MAINNET, canonical_token

MINTS = (
    "2M4QNeba4PAorsCmi6gkg3Gn7NvBqnL9A6BTj9zApump",
    "EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm",
    "7R4zU5pgHFxRQaNUhhCAPFXaSN6AWiheD6rRfkFJpump",
)
ENTRIES: tuple[dict[str, Any], ...] = (
    {"symbol": "MOMO", "aliases": ["momo", "小粉龙", "مومو"], "context": ["龙"], "ambiguous": True},
    {"symbol": "MOMO", "aliases": ["momo", "baby momo", "薯队长"], "liquidity_class": "low"},
    {
        "symbol": "薯队长",
        "aliases": ["队长", "pink dinosaur", "redñote"],
        "context": ["cat", "发射"],
    },
)
TOKENS = tuple(
    entry | {"token": f"{SOLANA_MAINNET}/token:{mint}"}
    for entry, mint in zip(ENTRIES, MINTS, strict=True)
)
ZERO_WIDTH = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u202e", "\u00ad", "\ufe0f")
PIECES = (
    "momo", "MOMO", "$", "$MOMO", "baby ", "小粉龙", "小粉龍", "薯隊長", "مومو", "مــومو", "РЕРЕ", " ", "\n", "@", "#", "_",
    "coin", "冲", "cat", "pink dinosaur", "dinosaurs", "100", "k", "🐶", "http://", "://", "/tx/", "0x", "redn\u0303ote",
    "f" * 40, *MINTS,
)  # fmt: skip
TEXT = st.one_of(
    st.text(),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=14).map("".join),
)


def lexicon(tokens: tuple[dict[str, Any], ...] = TOKENS) -> Lexicon:
    document = {"versions": [{"version": 1, "effective_log_ms": 0, "tokens": tokens}]}
    return Lexicon.parse(json.dumps(document))


RESOLVER = Resolver(lexicon())


def named(text: str, resolver: Resolver = RESOLVER) -> tuple[str, ...]:
    return resolver.resolve(Mention("1", 0, "x", "ann", text), 0)


@given(TEXT)
@settings(max_examples=500, deadline=None)
def test_any_text_gives_sorted_canonical_tokens_and_always_the_same(text: str) -> None:
    tokens = named(text)
    assert list(tokens) == sorted(set(tokens))
    assert [canonical_token(t) for t in tokens] == list(tokens)
    assert named(text, Resolver(lexicon())) == tokens


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=40))
@settings(deadline=None)
def test_lone_surrogates_raise_nothing(text: str) -> None:
    assert isinstance(named(text), tuple)


@given(TEXT)
@settings(max_examples=500, deadline=None)
def test_a_copy_is_its_own_copy(text: str) -> None:
    copy = normalise(text)
    assert normalise(copy) == copy
    assert fold(visible(text)) == copy


@given(TEXT, st.data())
@settings(max_examples=300, deadline=None)
def test_zero_width_characters_change_nothing(text: str, data: st.DataObject) -> None:
    spiked = text
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(spiked)))
        spiked = spiked[:at] + data.draw(st.sampled_from(ZERO_WIDTH)) + spiked[at:]
    assert normalise(spiked) == normalise(text)
    assert named(spiked) == named(text)


@given(TEXT, st.permutations(TOKENS), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_the_order_of_the_lexicon_decides_nothing(text: str, tokens: Any, random: Any) -> None:
    shuffled = tuple(
        {k: random.sample(v, len(v)) if isinstance(v, list) else v for k, v in token.items()}
        for token in tokens
    )
    other = lexicon(shuffled)
    assert other.sha256 == lexicon().sha256
    assert named(text, Resolver(other)) == named(text)


@given(TEXT, st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=4, unique=True), st.data())
@settings(deadline=None)
def test_a_version_answers_as_it_does_alone(text: str, times: list[int], data: Any) -> None:
    times.sort()
    parts = [TOKENS[: data.draw(st.integers(0, 3))] for _ in times]
    document = {
        "versions": [
            {"version": i, "effective_log_ms": ts, "tokens": part}
            for i, (ts, part) in enumerate(zip(times, parts, strict=True))
        ]
    }
    resolver = Resolver(Lexicon.parse(json.dumps(document)))
    at = data.draw(st.integers(-(2**41), 2**41))
    in_force = sum(ts <= at for ts in times)
    expected = parts[in_force - 1] if in_force else ()
    mention = Mention("1", 0, "x", "ann", text)
    assert resolver.resolve(mention, at) == named(text, Resolver(lexicon(expected)))
