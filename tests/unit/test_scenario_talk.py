"""The scenario's talk, read by the real resolver with the scenario's lexicon."""

from __future__ import annotations

from collections import Counter

import pytest

from detectors.resolve.lexicon import Lexicon
from detectors.resolve.resolver import Resolver
from schemas.records import Mention
from streams.scenario.coins import ALL, WAVE, lexicon_text
from streams.scenario.grammar import pool_of_texts
from streams.scenario.rednote import tape_of
from streams.scenario.talk import CHATTER
from streams.scenario.variation import Variation


@pytest.fixture(scope="module")
def read() -> Counter[tuple[str, str]]:
    """(what a post is about, what the resolver says), counted over different texts."""
    tape = tape_of(Variation(volume_divisor=8))
    resolver = Resolver(Lexicon.parse(lexicon_text()))
    symbol = {coin.token: coin.symbol for coin in ALL}
    counts: Counter[tuple[str, str]] = Counter()
    for token, text in set(zip(tape.posts.token.tolist(), tape.posts.text.tolist(), strict=True)):
        mention = Mention("m", 0, "x", "a", tape.texts[text])
        named = resolver.resolve(mention, tape.log_start_ms)
        about = "chatter" if token < 0 else ALL[token].symbol
        counts[about, "+".join(symbol[t] for t in named)] += 1
    return counts


@pytest.mark.parametrize("symbol", [coin.symbol for coin in WAVE])
def test_talk_of_a_coin_is_read_as_that_coin(read: Counter[tuple[str, str]], symbol: str) -> None:
    about = {named: n for (subject, named), n in read.items() if subject == symbol}
    assert sum(about.values()) > 100
    assert about[symbol] > 0.97 * sum(about.values())


def test_other_coins_rarely_borrow_a_name(read: Counter[tuple[str, str]]) -> None:
    others = Counter({k: n for k, n in read.items() if k[0] != "chatter"})
    wrong = sum(n for (about, named), n in others.items() if about != named)
    assert wrong < 0.01 * others.total()


def test_chatter_names_no_coin(read: Counter[tuple[str, str]]) -> None:
    chatter = {named: n for (about, named), n in read.items() if about == "chatter"}
    assert sum(chatter.values()) > 1_500
    assert chatter[""] > 0.998 * sum(chatter.values())


def test_every_chatter_template_names_no_coin() -> None:
    resolver = Resolver(Lexicon.parse(lexicon_text()))
    for templates in CHATTER.values():
        for template in templates:
            text = template.format(n=7, place="ohio")
            assert resolver.resolve(Mention("m", 0, "x", "a", text), 0) == (), text


def test_posts_are_varied() -> None:
    assert len(set(pool_of_texts(3, 4_000))) > 3_900
