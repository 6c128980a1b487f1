from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from detectors.resolve.lexicon import Lexicon
from schemas.errors import LexiconError

ROOT = Path(__file__).parents[2]
PEPE = "eip155:1/erc20:0x6982508145454Ce325dDbE47a25d4ec3d2311933"
WSOL = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:So11111111111111111111111111111111111111112"


def version(number: int, since_ms: int, *tokens: dict[str, Any]) -> dict[str, Any]:
    return {"version": number, "effective_log_ms": since_ms, "tokens": list(tokens)}


def document(*versions: dict[str, Any]) -> str:
    return json.dumps({"versions": versions}, ensure_ascii=False)


def one(**fields: Any) -> str:
    return document(version(1, 0, {"token": PEPE, "symbol": "PEPE"} | fields))


def test_terms_and_ids_become_canonical() -> None:
    text = one(
        symbol=" $PEPE ", aliases=["Pepe  the Frog", "ＰＥＰＥ", "pepe"], context=["幣", "Coin"]
    )
    (entry,) = Lexicon.parse(text).versions[0].tokens
    assert entry.token == PEPE.lower()
    assert entry.symbol == "PEPE"
    assert entry.aliases == ("pepe", "pepe the frog")
    assert entry.context == ("coin", "币")


def test_the_hash_depends_on_content_alone() -> None:
    a, b = (
        {"token": PEPE, "symbol": "PEPE", "aliases": ["aa", "bb"]},
        {"token": WSOL, "symbol": "SOL"},
    )
    shuffled = a | {"aliases": ["bb", "AA"]}
    base = Lexicon.parse(document(version(1, 0, a, b)))
    assert Lexicon.parse(document(version(1, 0, b, shuffled)).encode()).sha256 == base.sha256
    for other in (
        document(version(2, 0, a, b)),
        document(version(1, 1, a, b)),
        document(version(1, 0, a | {"ambiguous": True}, b)),
        document(version(1, 0, a | {"liquidity_class": "high"}, b)),
        document(version(1, 0, a | {"name": "Pepe"}, b)),
        document(version(1, 0, a)),
    ):
        assert Lexicon.parse(other).sha256 != base.sha256


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert Lexicon.parse(b"\xef\xbb\xbf" + one().encode()).sha256 == Lexicon.parse(one()).sha256


def test_versions_take_effect_at_their_log_time() -> None:
    lexicon = Lexicon.parse(document(version(1, 100), version(2, 200)))
    assert [lexicon.in_force(ts) for ts in (99, 100, 199, 200, 10**15)] == [-1, 0, 0, 1, 1]


def test_another_lexicon_takes_over_at_a_log_time() -> None:
    def symbols(*since_ms: int) -> Lexicon:
        return Lexicon.parse(
            document(
                *(
                    version(i, at, {"token": PEPE, "symbol": "PEPE"})
                    for i, at in enumerate(since_ms, 1)
                )
            )
        )

    first, other = symbols(0, 300), symbols(100, 500)
    whole = first.followed_by(other, 200)
    assert [(v.version, v.effective_log_ms) for v in whole.versions] == [(1, 0), (1, 200), (2, 500)]
    assert whole.sha256 == other.sha256
    # the other begins later than that: from then until it does, no words are known
    whole = first.followed_by(symbols(700), 350)
    assert [(v.effective_log_ms, len(v.tokens)) for v in whole.versions] == [
        (0, 1),
        (300, 1),
        (350, 0),
        (700, 1),
    ]


def test_the_latest_version_that_knows_a_token_gives_its_symbol() -> None:
    lexicon = Lexicon.parse(
        document(
            version(1, 0, {"token": PEPE, "symbol": "OLD"}, {"token": WSOL, "symbol": "SOL"}),
            version(2, 9, {"token": PEPE, "symbol": "NEW"}),
        )
    )
    assert lexicon.symbols() == {PEPE.lower(): "NEW", WSOL: "SOL"}


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("", "not JSON", "write one JSON object"),
        ('{"versions": [', "not JSON", "write one JSON object"),
        ("[" * 100_000, "document: Expected 'object'", "docs/lexicon.md"),
        ('{"versions": ' + "[" * 100_000, "versions[0]: Expected 'object'", "docs/lexicon.md"),
        (one(symbol="PE?E").encode().replace(b"?", b"\xff"), "", "UTF-8"),
        ('{"versions": "\ud800"}', "not UTF-8", "save the file as UTF-8"),
        ("[]", "document: Expected 'object'", "docs/lexicon.md"),
        ("{}", "missing required field 'versions'", "docs/lexicon.md"),
        ('{"versions": []}', "versions is empty", "at least one version"),
        ('{"versions": [{"version": "1"}]}', "versions[0].version", "docs/lexicon.md"),
        (one(alias=["x"]), "versions[0].tokens[0]: Object contains unknown field 'alias'", "docs"),
        (one(liquidity_class="huge"), "versions[0].tokens[0].liquidity_class", "docs"),
        (document(version(1, 0), version(1, 5)), "versions[1]: version 1 appears twice", "upwards"),
        (document(version(2, 0), version(1, 5)), "versions[1]: version 1 comes after", "upwards"),
        (document(version(1, 5), version(2, 5)), "versions[1]: effective_log_ms 5", "order"),
        (document(version(1, 5), version(2, 4)), "versions[1]: effective_log_ms 4", "order"),
        (one(token="PEPE"), "versions[0].tokens[0].token: 'PEPE'", "eip155"),
        (one(token=PEPE.replace("Ce", "cE")), "checksum", "eip155"),
        (one(symbol=" $ "), "versions[0].tokens[0].symbol: is empty", "ticker"),
        (one(aliases=["pepe", ""]), "tokens[0].aliases[1]: is empty", "delete"),
        (one(aliases=["\u200b"]), "tokens[0].aliases[0]: is empty or invisible", "delete"),
        (one(aliases=["龙"]), "aliases[0]: '龙' is one character", "two characters"),
        (one(aliases=["x" * 65]), "has 65 characters", "at most 64"),
        (one(context=[" "]), "tokens[0].context[0]: is empty", "delete"),
        (
            document(
                version(
                    1, 0, {"token": PEPE, "symbol": "A"}, {"token": PEPE.lower(), "symbol": "B"}
                )
            ),
            "versions[0].tokens[1].token",
            "merge",
        ),
    ],
)
def test_what_cannot_be_used_is_named_with_its_remedy(
    text: str | bytes, place: str, remedy: str
) -> None:
    with pytest.raises(LexiconError) as caught:
        Lexicon.parse(text)
    assert place in caught.value.problem
    assert remedy in caught.value.remedy


def test_the_examples_of_the_documentation_parse() -> None:
    text = (ROOT / "docs/lexicon.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        assert Lexicon.parse(block).versions


def test_the_example_lexicon_parses() -> None:
    lexicon = Lexicon.parse((ROOT / "examples/lexicon.json").read_bytes())
    assert {"MOMO", "CAPTAINTU", "REDNOTE", "XIAOYA"} <= set(lexicon.symbols().values())
