"""The parts of compiled batches that texts seldom reach."""

from __future__ import annotations

import json
import re

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

import detectors.batch.numbering
import detectors.batch.text_table
from detectors.batch.addresses import UNKNOWN, look_up
from detectors.batch.blocks import BLOCK, bits_of
from detectors.batch.flat import flat_mentions
from detectors.batch.prints import GRAMS_ROOM, print_letters
from detectors.batch.reading import read
from detectors.batch.resolver import NO_TOKEN, BatchResolver
from detectors.batch.seek import FULL, seek, seek_addresses, seek_cashtags
from detectors.batch.strings import Strings
from detectors.batch.text_table import TextTable
from detectors.batch.trie import build_trie
from detectors.batch.unicode import CHAR, LETTER, LIMIT, UNSURE, tables
from detectors.batch.words import words_of
from detectors.batch.xxh64 import hash_slice, hashes
from detectors.columns import Columns, columns_of, columns_of_mentions
from detectors.hashing import hash64, text_fingerprint
from detectors.jit import jit
from detectors.resolve.index import Index
from detectors.resolve.lexicon import Lexicon
from schemas.records import MAX_TEXT_CHARS, Mention, Tick
from tests.helpers.records import LEXICON, T0, TOKENS, plain, prints_of, rows_one_by_one

MINT = "ErFms69qZsjmdGby8wkFrris2nb4Umrk6vqUGBw9kbkS"


def named(texts: list[str], lexicon: Lexicon = LEXICON) -> list[set[str]]:
    resolver = BatchResolver(lexicon)
    found = resolver.resolve(Strings.of(texts), np.zeros(len(texts), np.int64))
    out: list[set[str]] = [set() for _ in texts]
    for row, token in zip(found.row.tolist(), found.token.tolist(), strict=True):
        out[row].add(resolver.numbering.names[token])
    assert prints_of(resolver, texts) == [text_fingerprint(text) for text in texts]
    some = found.row
    assert found.prints[some].tolist() == [text_fingerprint(texts[i]) for i in some.tolist()]
    return out


def test_a_place_before_an_address_says_that_it_is_no_tokens() -> None:
    texts = [
        f"{MINT}",
        f"solscan.io/ACCOUNT/{MINT}",
        f"dexscreener.com/Solana/{MINT}",
        f"ca/{MINT}",
    ]
    assert [len(found) for found in named(texts)] == [1, 0, 0, 1]
    assert named(["0x" + "g" * 40, "0x" + "f" * 40 + "$MOMO", f"{MINT} $MOMO {MINT}"]) == [
        set(),
        set(),
        {f"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:{MINT}"},
    ]


def test_several_tokens_share_words_and_addresses() -> None:
    other, third = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi", MINT
    found = named([f"{other} {third} {third} {other}"])
    assert [len(each) for each in found] == [2]
    coins = [
        {"token": TOKENS[0], "symbol": "TWIN", "liquidity_class": "low"},
        {"token": TOKENS[1], "symbol": "TWIN", "liquidity_class": "medium"},
        {"token": TOKENS[2], "symbol": "TWIN", "liquidity_class": "medium", "context": ["left"]},
    ]
    lexicon = Lexicon.parse(
        json.dumps({"versions": [{"version": 1, "effective_log_ms": 0, "tokens": coins}]})
    )
    address = TOKENS[1].rpartition(":")[2]
    assert named(["$TWIN", "$TWIN left", f"$TWIN left {address}"], lexicon) == [
        set(),
        {TOKENS[2]},
        {TOKENS[1]},
    ]
    by_rank = sorted(range(3), key=lambda k: TOKENS[k])  # ids decide the order, not the ranks
    assert {coins[k]["liquidity_class"] for k in by_rank[:2]} == {"medium"}


def test_a_word_of_context_speaks_from_either_side() -> None:
    lexicon = Lexicon.parse(
        '{"versions": [{"version": 1, "effective_log_ms": 0, "tokens": ['
        f'{{"token": "{TOKENS[1]}", "symbol": "MOMO", "aliases": ["momo"], "ambiguous": true}}]}}]}}'
    )
    far = "x" * 60
    texts = ["coin momo", "momo coin", f"coin {far} momo", f"momo {far} coin", "momo"]
    assert [len(found) for found in named(texts, lexicon)] == [1, 1, 0, 0, 0]


def test_tokens_of_columns_are_those_that_occur() -> None:
    ticks = [Tick(f"t{i}", T0, TOKENS[i], 0.5, 10, "buy", "w") for i in (0, 1)]
    columns = columns_of(ticks, [T0, T0])
    assert columns.compact() is columns
    some = columns.take(np.array([1, 1])).compact()
    assert (some.tokens, some.token.tolist()) == ([TOKENS[1]], [0, 0])


def test_links_in_part_are_text() -> None:
    for text in (
        "htt",
        "http",
        "https",
        "http:",
        "https:/a b",
        "https:// momo",
        "see http://a.io ok",
        "hxxp://momo ok",
    ):
        named([text, text + " that is all"])


def test_a_full_room_leaves_the_text_to_the_plain_way() -> None:
    many = " ".join(f"$MOMO the moon coin {i}" for i in range(2_000))
    assert named([many, "$MOMO"]) == [{TOKENS[1]}, {TOKENS[1]}]
    crowd = [{"token": token, "symbol": "TWIN", "aliases": ["ape ape"]} for token in TOKENS]
    lexicon = Lexicon.parse(
        json.dumps({"versions": [{"version": 1, "effective_log_ms": 0, "tokens": crowd}]})
    )
    assert named(["$TWIN " + "ape " * 3_000, "$TWIN" + " coin" * 2_000], lexicon) == [set(), set()]
    entries = entries_of("$ab $ab")
    begins, no_room = np.array([0b110011]), np.empty((0, 3), np.int32)
    trie = build_trie({"ab": 1})
    for longest in (0, 1):
        assert seek(entries, 7, begins, trie, longest, no_room, 0) == FULL
    assert seek_cashtags(entries, 7, trie, no_room, 0) == FULL
    seen = np.frombuffer(MINT.encode(), np.uint8).copy()
    known = words_of(Index(())).addresses
    limbs = np.empty(9, np.int64)
    with np.errstate(over="ignore"):
        found = seek_addresses(
            seen, len(seen), known, limbs, np.empty((0, 45), np.uint8), 0, no_room
        )
    assert found[0] == FULL


def test_addresses_of_one_hash_are_told_apart() -> None:
    texts = ["A" * 44, "B" * 44, "C" * 32]
    words = [list(np.frombuffer(t.encode().ljust(48, b"\0"), "<i8")) for t in texts]
    with np.errstate(over="ignore"):
        seen = np.frombuffer("".join(texts).encode(), np.uint8).copy()
        for k, (start, end) in enumerate(((0, 44), (44, 88), (88, 120))):
            one = hash_slice(seen, start, end)
            known = np.array([[one, 10 + i, *word] for i, word in enumerate(words)], np.int64)
            assert look_up(seen, start, end, known) == 10 + k
            assert look_up(seen, start, end, np.delete(known, k, 0)) == UNKNOWN


def test_texts_of_one_hash_are_told_apart() -> None:
    asked: list[str] = []
    table = TextTable(lambda text: asked.append(text) or len(asked))
    rows = np.arange(2)
    assert table.numbers(Strings.of(["ab", "cd"]), rows).tolist() == [1, 2]
    table._pool[0] = ord("x")  # as if "ab" had the hash of "xb"
    assert table.numbers(Strings.of(["ab", "cd"]), rows).tolist() == [3, 2]
    assert asked == ["ab", "cd", "ab"]


def test_a_table_grows_and_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    table = TextTable(hash64)
    texts = [f"{i}" * 30 for i in range(700)]
    rows = np.arange(len(texts))
    for _ in range(2):
        assert table.numbers(Strings.of(texts), rows).tolist() == list(map(hash64, texts))
    monkeypatch.setattr(detectors.batch.text_table, "KEPT", 800)
    others = [f"{i}x" for i in range(300)]
    assert table.numbers(Strings.of(others), rows[:300]).tolist() == list(map(hash64, others))
    assert table._n == 300


def test_numbers_of_tokens_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = BatchResolver(LEXICON)
    texts = Strings.of([f"${'MOMO'} {MINT}", "$MOMO"])
    resolver.resolve(texts, np.zeros(2, np.int64))
    before = resolver.numbering
    resolver.begin()
    assert resolver.numbering is before
    monkeypatch.setattr(detectors.batch.numbering, "KEPT", 0)  # besides those of the lexicon
    resolver.begin()
    assert resolver.numbering is not before and not resolver.numbering.names
    found = resolver.resolve(texts, np.zeros(2, np.int64))
    assert [resolver.numbering.names[k] for k in found.token.tolist()] == [
        f"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:{MINT}",
        TOKENS[1],
    ]
    tokens = resolver.token_numbers.numbers(Strings.of(["MOMO", TOKENS[1]]), np.arange(2))
    assert tokens.tolist() == [NO_TOKEN, found.token[1]]


def test_sources_that_name_tokens_are_believed_whatever_the_text() -> None:
    posts = [
        Mention("a", T0, "x", "ann", "$MOMO", tokens=(TOKENS[0],)),
        Mention("b", T0, "RedNote", "bob", "e\u0301\u0327 unusual", tokens=(TOKENS[0], TOKENS[2])),
        Mention("c", T0, "x", "cat", "金狗 e\u0301\u0327", reach=7, order=3),
    ]
    resolver = BatchResolver(LEXICON)
    columns, rows = flat_mentions(posts, np.full(3, T0)).columns(resolver)
    assert rows.tolist() == [0, 1, 1, 2]
    assert sorted(plain(columns)) == sorted(rows_one_by_one(posts))


def test_no_letter_of_a_copy_takes_four_bytes() -> None:
    entries = tables()[:LIMIT]
    letters = entries[entries & LETTER > 0] & CHAR
    assert len(letters) > 40_000 and letters.max() < 0x10000
    assert tables()[LIMIT + 0xD800] == UNSURE


def test_strings_are_taken_with_rows() -> None:
    post = Mention("m", T0, "x", "ann", "hi")
    columns = columns_of_mentions([(TOKENS[0], post, T0), (TOKENS[1], post, T0)])
    columns.ids = Strings.of(["a", "b"])
    taken: Columns = columns.take(np.array([1, 1, 0]))
    assert list(taken.ids or ()) == ["b", "b", "a"]
    assert list(columns.take(slice(1, 2)).ids or ()) == ["b"]
    assert hashes(columns.ids).tolist() == [hash64("a"), hash64("b")]


@pytest.mark.parametrize("texts", [[], ["", "a", "bc"], ["a", "龙", ""], ["\ud83d", "\ude00", "b"]])
def test_strings_give_back_what_they_are_made_of(texts: list[str]) -> None:
    assert list(Strings.of(iter(texts))) == texts


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="it is numba's compiler that refuses")
def test_blocks_of_arrays_that_lie_otherwise_are_not_compiled() -> None:
    first = jit(lambda text: bits_of(text, 0, 1))
    assert first(np.ones(BLOCK, np.int32)) == (1 << BLOCK) - 1
    for text in (np.ones(BLOCK), np.ones(2 * BLOCK, np.int32)[::2]):
        with pytest.raises(numba.core.errors.TypingError):
            first(text)


def test_strings_leave_the_array_they_are_made_of_as_it_is() -> None:
    data = np.frombuffer(b"momo", np.uint8).copy()
    texts = Strings(data, np.array([0]), np.array([4]))
    assert texts[0] == "momo" and data.flags.writeable and not texts.data.flags.writeable


def entries_of(text: str) -> NDArray[np.int32]:
    """A copy of a text that is its own, with room behind it."""
    entries = np.zeros(len(text) + BLOCK, np.int32)
    entries[: len(text)] = tables()[[ord(c) for c in text]]
    return entries


@pytest.mark.parametrize("before", [0, 1, 5, 31, 32, 33, 70])
@pytest.mark.parametrize("size", [31, 32, 33, 64, 90])
def test_letters_and_digits_in_a_row_are_counted_over_blocks(before: int, size: int) -> None:
    for text in (
        " " * before + "a1" * 45,
        "." * before + "a" * size,
        "a " * before + "1" * size + " b",
    ):
        n = len(text)
        begins, letters = np.empty(n // BLOCK + 1, np.int64), np.empty(2 * n + BLOCK, np.uint16)
        longest = max(map(len, re.findall("[a-z0-9]+", text)))
        found = int(read(entries_of(text), n, begins, letters)[2])
        assert found == longest if longest >= BLOCK else found < BLOCK


def test_a_text_for_which_there_is_no_room_takes_the_plain_way() -> None:
    long = "龙 " * 30_000 + "$MOMO"
    assert len(long.encode()) > 4 * MAX_TEXT_CHARS
    assert named([long, "$MOMO"]) == [{TOKENS[1]}, {TOKENS[1]}]


def test_too_little_text_has_no_fingerprint() -> None:
    letters, grams = np.empty(2 * BLOCK, np.uint16), np.empty(GRAMS_ROOM, np.uint64)
    with np.errstate(over="ignore"):
        for text in ("", "abc", "a b", "abc 1", "1 abcd", "abcd", "abc d!"):
            places, n, _ = read(entries_of(text), len(text), np.empty(1, np.int64), letters)
            assert print_letters(letters, places, n, grams) == text_fingerprint(text)


@pytest.mark.parametrize(
    "letters",
    [
        "abcdefghijklmnopqrstuvwxyz ",
        "龙狗猫金土薯队长书马",
        "a龙bc猫é d ",
        "ab 1_c",
        "@#$_ab1龙é .",
        "abcdefghijklmnopqrstuvwxyz12",
        "abcdefghijklmnopqrstuvwxyz1龙@ ",
    ],
)
def test_texts_of_any_length_are_told_as_plainly(letters: str) -> None:
    rng = np.random.default_rng(4)
    texts = [
        "".join(np.array(list(letters))[rng.integers(0, len(letters), n)])
        for n in [*range(45), *range(250, 275), 600, 5_000]
    ]
    batch = BatchResolver(LEXICON)
    for part in (texts, texts[:2], [*texts[-1:], *texts]):
        assert prints_of(batch, part) == [text_fingerprint(text) for text in part]


def test_a_text_is_told_by_its_beginning() -> None:
    text = "".join(chr(97 + k) for k in np.random.default_rng(4).integers(0, 26, 400).tolist())
    spaced = " ".join(text[k : k + 6] for k in range(0, 400, 6))
    whole = text_fingerprint(spaced)
    assert text_fingerprint(spaced + " and more") == whole
    assert text_fingerprint(spaced[: 258 + 258 // 6]) == whole
    assert text_fingerprint(spaced[:200]) != whole


def test_a_lexicon_of_more_tokens_than_are_kept_is_not_numbered_anew_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With 210,000 tokens, a batch took 160 ms instead of one."""
    monkeypatch.setattr(detectors.batch.numbering, "KEPT", 3)
    entries = [{"token": token, "symbol": f"S{i}"} for i, token in enumerate(many_tokens(5))]
    lexicon = Lexicon.parse(
        json.dumps({"versions": [{"version": 1, "effective_log_ms": 0, "tokens": entries}]})
    )
    resolver = BatchResolver(lexicon)
    numberings = set()
    for _ in range(3):
        resolver.begin()
        resolver.resolve(Strings.of(["$s1", "hi"]), np.zeros(2, np.int64))
        numberings.add(id(resolver.numbering))
    assert len(numberings) == 1
    first = resolver.numbering
    first.of(many_tokens(20))  # of others no more than before
    resolver.begin()
    assert resolver.numbering is not first


def many_tokens(n: int) -> list[str]:
    return [f"eip155:1/erc20:0x{i:040x}" for i in range(n)]
