from __future__ import annotations

import json
from typing import Any

import pytest

from detectors.resolve.index import Index
from detectors.resolve.lexicon import Lexicon, LexiconToken
from detectors.resolve.resolver import Resolver
from schemas.records import Mention
from schemas.tokens import SOLANA_MAINNET

SOL = f"{SOLANA_MAINNET}/token:"
MOMO_MINT = "2M4QNeba4PAorsCmi6gkg3Gn7NvBqnL9A6BTj9zApump"
OTHER_MINT = "EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm"
UNKNOWN_MINT = "7R4zU5pgHFxRQaNUhhCAPFXaSN6AWiheD6rRfkFJpump"
WSOL_MINT = "So11111111111111111111111111111111111111112"
PEPE_ADDRESS = "0x6982508145454Ce325dDbE47a25d4ec3d2311933"
SIGNATURE = (
    "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW"
)
MOMO, OTHER, UNKNOWN = SOL + MOMO_MINT, SOL + OTHER_MINT, SOL + UNKNOWN_MINT
PEPE = f"eip155:1/erc20:{PEPE_ADDRESS.lower()}"
PEPE_BASE = f"eip155:8453/erc20:{PEPE_ADDRESS.lower()}"

MOMO_ENTRY = {
    "token": MOMO,
    "symbol": "MOMO",
    "aliases": ["momo", "小粉龙", "مومو"],
    "context": ["dinosaur"],
    "ambiguous": True,
}
OTHER_ENTRY = {"token": OTHER, "symbol": "WIF", "aliases": ["dogwifhat", "baby momo"]}
PEPE_ENTRY = {"token": PEPE, "symbol": "PEPE", "aliases": ["pepe"], "ambiguous": True}


def resolver(*entries: dict[str, Any]) -> Resolver:
    version = {"version": 1, "effective_log_ms": 0, "tokens": entries}
    return Resolver(Lexicon.parse(json.dumps({"versions": [version]})))


def named(text: str, *entries: dict[str, Any]) -> tuple[str, ...]:
    chosen = resolver(*(entries or (MOMO_ENTRY, OTHER_ENTRY, PEPE_ENTRY)))
    return chosen.resolve(Mention("1", 0, "x", "ann", text), 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "who is momo?",
        "MOMO头像是谁",
        "小粉龙好可爱",
        "@momo coin is up",
        "momo.... " + "blah " * 20 + " coin",
        "$100 for a coin",
        "$MOMOS to the moon",
        "https://example.com/momo/coin",
        "https://example.com/?q=$MOMO",
        "price of 0x1234",
        "momos coin",
    ],
)
def test_talk_that_names_no_token(text: str) -> None:
    assert named(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "$MOMO",
        "$momo!",
        "＄ＭＯＭＯ",
        "$МОМО",  # Cyrillic
        "$MO\u200bMO",
        "\u202e$MOMO\u202c",
        "🚀$MOMO🚀",
        "$MOMO起飞",
        "momo coin just launched on solana",
        "MOMO要冲了",
        "小粉龍 合約 發了",
        "عملة مومو",
        "momo the dinosaur",
        "momo, see https://example.com/coin",
        f"ca {MOMO_MINT}",
        f"https://pump.fun/coin/{MOMO_MINT}",
        f"https://dexscreener.com/solana/{MOMO_MINT}?x=1",
        f"_{MOMO_MINT}_",
        f"{MOMO_MINT[:20]}\u200b{MOMO_MINT[20:]}",
        f"$MOMO {MOMO_MINT}",
    ],
)
def test_talk_that_names_momo(text: str) -> None:
    assert named(text) == (MOMO,)


def test_several_tokens_come_sorted() -> None:
    assert named("$WIF or $MOMO or dogwifhat") == tuple(sorted((MOMO, OTHER)))


def test_a_longer_alias_hides_the_one_within_it() -> None:
    assert named("baby momo coin") == (OTHER,)


def test_source_tokens_come_first_and_canonical() -> None:
    r = resolver(MOMO_ENTRY)
    upper = f"eip155:1/erc20:{PEPE_ADDRESS}"
    mention = Mention("1", 0, "x", "ann", "$MOMO", tokens=(upper, "nonsense", OTHER, OTHER))
    assert r.resolve(mention, 0) == tuple(sorted((PEPE, OTHER)))
    assert r.resolve(Mention("1", 0, "x", "ann", "$MOMO", tokens=("nonsense",)), 0) == (MOMO,)


@pytest.mark.parametrize("address", [PEPE_ADDRESS, PEPE_ADDRESS.lower(), PEPE_ADDRESS.upper()])
def test_an_evm_address_takes_its_chain_from_the_directory(address: str) -> None:
    assert named(f"buy {address} now") == (PEPE,)


def test_an_evm_address_with_a_wrong_checksum_is_none() -> None:
    assert named(f"buy {PEPE_ADDRESS.replace('Ce', 'cE')} now") == ()


def test_an_evm_address_on_two_chains_needs_liquidity_or_context() -> None:
    base = PEPE_ENTRY | {"token": PEPE_BASE, "context": ["on base"]}
    assert named(PEPE_ADDRESS, PEPE_ENTRY, base) == ()
    assert named(f"{PEPE_ADDRESS} on base", PEPE_ENTRY, base) == (PEPE_BASE,)
    assert named(PEPE_ADDRESS, PEPE_ENTRY | {"liquidity_class": "low"}, base) == (PEPE,)


def test_an_unknown_solana_address_is_a_new_token_and_words_beside_it_name_nothing() -> None:
    assert named(f"$MOMO ca: {UNKNOWN_MINT}") == (UNKNOWN,)
    assert named(f"{MOMO_MINT} {UNKNOWN_MINT}") == tuple(sorted((MOMO, UNKNOWN)))


def test_an_unknown_evm_address_names_nothing_nor_do_words_beside_it() -> None:
    assert named("$MOMO 0x" + "12" * 20) == ()


@pytest.mark.parametrize(
    "text",
    [
        f"https://solscan.io/account/{UNKNOWN_MINT} $MOMO",
        f"https://solscan.io/tx/{SIGNATURE} $MOMO",
        f"https://dexscreener.com/solana/{UNKNOWN_MINT} $MOMO",
        f"https://www.geckoterminal.com/solana/pools/{UNKNOWN_MINT} $MOMO",
        f"{SIGNATURE} $MOMO",
        f"swap {WSOL_MINT} for $MOMO",
        "burnt 0x000000000000000000000000000000000000dEaD $MOMO",
        "ha" * 21 + "h $MOMO",  # 43 base58 letters decode to 32 bytes
        "A" * 43 + " $MOMO",
        "1" * 32 + " $MOMO",
        "d41d8cd98f00b204e9800998ecf8427e $MOMO",
        "0x" + "ab" * 32 + " $MOMO",
    ],
)
def test_what_looks_like_an_address_and_is_no_token(text: str) -> None:
    assert named(text) == (MOMO,)


LOW = {"token": OTHER, "symbol": "MOMO", "aliases": ["momo"], "context": ["cat"]}


def test_of_one_symbol_the_most_liquid_is_meant() -> None:
    high, low = MOMO_ENTRY | {"liquidity_class": "high"}, LOW | {"liquidity_class": "low"}
    assert named("$MOMO", high, low) == (MOMO,)
    assert named("momo coin", high, low) == (MOMO,)
    assert named("who is momo?", high, low) == ()
    assert named(f"$MOMO ca {OTHER_MINT}", high, low) == (OTHER,)


def test_of_one_symbol_and_class_only_own_context_decides() -> None:
    assert named("$MOMO coin", MOMO_ENTRY, LOW) == ()
    assert named("$MOMO cat", MOMO_ENTRY, LOW) == (OTHER,)
    assert named("momo cat", MOMO_ENTRY, LOW) == (OTHER,)
    assert named("momo coin", MOMO_ENTRY, LOW) == ()


def test_context_of_one_token_is_none_of_anothers() -> None:
    assert named("pepe the dinosaur") == ()


def test_a_post_of_many_tokens_is_a_list() -> None:
    entries = [
        MOMO_ENTRY | {"token": f"eip155:1/erc20:0x{i:040x}", "symbol": f"T{i}X", "aliases": []}
        for i in range(1, 18)
    ]
    cashtags = [f"${e['symbol']}" for e in entries]
    assert len(named(" ".join(cashtags[:16]), *entries)) == 16
    assert named(" ".join(cashtags), *entries) == ()


def test_the_version_in_force_decides() -> None:
    versions = [
        {"version": 1, "effective_log_ms": 1_000, "tokens": [MOMO_ENTRY]},
        {"version": 2, "effective_log_ms": 2_000, "tokens": [MOMO_ENTRY | {"token": OTHER}]},
    ]
    r = Resolver(Lexicon.parse(json.dumps({"versions": versions})))
    mention = Mention("1", 0, "x", "ann", "$MOMO", ts_log_ms=5_000)
    assert [r.resolve(mention, ts) for ts in (999, 1_000, 1_999, 2_000)] == [
        (),
        (MOMO,),
        (MOMO,),
        (OTHER,),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "momo " * 50_000,
        "momo冲" * 50_000,
        "$momo" * 50_000,
        "a" * 1_000_000,
        "$" * 1_000_000,
        "\u200b" * 1_000_000 + "$MOMO",
        "https://" * 100_000,
        "龍" * 500_000,
    ],
)
def test_a_huge_text_is_read_to_its_end(text: str) -> None:
    assert set(named(text)) <= {MOMO}


def test_a_word_that_many_tokens_share_is_decided_once_however_often_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 3,000 coins of one symbol, a post that repeats it took two seconds."""
    entries = [
        {
            "token": f"eip155:1/erc20:0x{i:040x}",
            "symbol": "PEPE",
            "aliases": ["pepe"],
            "context": [f"ctx{i}"],
        }
        for i in range(50)
    ]
    chosen = resolver(*entries)
    decided: list[frozenset[str]] = []
    strongest = Index.strongest

    def counted(self: Index, sharers: tuple[str, ...], near: frozenset[str]) -> tuple[str, ...]:
        decided.append(near)
        return strongest(self, sharers, near)

    monkeypatch.setattr(Index, "strongest", counted)
    many = 200
    assert chosen.named("$pepe " * many, 0) == chosen.named("pepe coin " * many, 0) == ()
    assert len(decided) == 2
    assert chosen.named("pepe " * many, 0) == ()
    assert len(decided) == 2  # no word near says that a coin is meant
    seventh = entries[7]["token"]
    assert chosen.named("$pepe " * many + "x" * 60 + " pepe ctx7 " * many, 0) == (seventh,)
    assert len(decided) < 10


def test_versions_that_nobody_asks_for_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change of lexicon makes a resolver of all versions so far: 200 changes took minutes."""
    made: list[int] = []
    begin = Index.__init__

    def counted(self: Index, tokens: tuple[LexiconToken, ...]) -> None:
        made.append(len(tokens))
        begin(self, tokens)

    monkeypatch.setattr(Index, "__init__", counted)
    versions = [
        {"version": k, "effective_log_ms": 10 * k, "tokens": [MOMO_ENTRY, OTHER_ENTRY][: k % 2 + 1]}
        for k in range(1, 41)
    ]
    chosen = Resolver(Lexicon.parse(json.dumps({"versions": versions})))
    assert len(made) == 1
    for _ in range(3):
        assert chosen.named("$WIF", 55) == (OTHER,) and chosen.named("$WIF", 45) == ()
        assert chosen.named("$MOMO", 9) == ()
    assert len(made) == 4
