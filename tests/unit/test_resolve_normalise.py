from __future__ import annotations

import random
import unicodedata
from itertools import pairwise

import pytest

from detectors.resolve import normalise as module
from detectors.resolve.han import SIMPLIFIED
from detectors.resolve.normalise import MARKS_RUN, fold, normalise, visible


@pytest.mark.parametrize(
    ("text", "copy"),
    [
        ("", ""),
        ("Momo  COIN\n\tnow ", "momo coin now"),
        ("ＰＥＰＥ", "pepe"),
        ("𝐏𝐄𝐏𝐄", "pepe"),
        ("＄ＭＯＭＯ", "$momo"),
        ("РЕРЕ", "pepe"),  # Cyrillic
        ("ΡΕΡΕ", "pepe"),  # Greek
        ("mo\u200bmo", "momo"),  # zero-width space
        ("mo\u200d\ufe0fmo", "momo"),  # joiner, variation selector
        ("\u202emomo\u202c", "momo"),  # right-to-left override
        ("mo\U000e0061mo", "momo"),  # tag character, beyond U+FFFF
        ("小紅書 薯隊長 小粉龍 發幣 合約", "小红书 薯队长 小粉龙 发币 合约"),
        ("مــومــو", "مومو"),
        ("مُومُو", "مومو"),
        ("ǰ", "ǰ"),  # casefold takes it apart and NFKC puts it together
        ("STRASSE Straße", "strasse strasse"),
        ("a\u3000b\u00a0c", "a b c"),
        ("小红\u3000\u3000书\n", "小红 书"),
    ],
)
def test_the_copy_is_what_a_reader_sees(text: str, copy: str) -> None:
    assert normalise(text) == copy


def test_letters_that_compose_after_a_fold_are_folded_on() -> None:
    # Cyrillic е and an accent have no composed form; Latin e and the accent have.
    assert normalise("е\u0301") == "é"


def test_visible_keeps_case_and_everything_that_shows() -> None:
    text = "MoMo 🐶 小紅書"
    assert visible(text) is text
    assert visible("plain") == "plain"
    assert fold("MoMo") == "momo"


def test_madda_and_hamza_are_letters_not_vowel_marks() -> None:
    composed, taken_apart = "\u0622", "\u0627\u0653"
    assert normalise(composed) == normalise(taken_apart) != normalise("\u0627")


def test_simplified_forms_are_final_and_one_character() -> None:
    assert len(SIMPLIFIED) > 1_800
    assert not set(SIMPLIFIED) & set(SIMPLIFIED.values())
    assert {len(s) for s in SIMPLIFIED.values()} == {1}


def test_every_single_character_settles_and_shows() -> None:
    # All but Han and Hangul, of which each is like the next.
    for point in (*range(0x3400), *range(0xA000, 0xAC00), *range(0xD7A0, 0x1F000)):
        copy = normalise(chr(point))
        assert normalise(copy) == copy
        assert all(unicodedata.category(c) != "Cf" for c in copy)


MARKS = [chr(c) for c in range(0x110000) if unicodedata.combining(chr(c))]
HIDDEN_MARKS = [
    chr(c)
    for c in range(0x110000)
    if not unicodedata.combining(chr(c))
    and all(map(unicodedata.combining, unicodedata.normalize("NFKD", chr(c))))
]


@pytest.mark.parametrize("seed", range(40))
def test_long_runs_of_marks_are_in_nfkc_all_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the library gives it; what it is given needs no sorting, which it does by insertion.

    A post of 20,000 marks took a second, as long as ten thousand others.
    """
    rng = random.Random(seed)
    letters = ["a", "é", "カ", "ｶ", "ί", "أ", " "]
    odd = [*HIDDEN_MARKS, "\u0344", "\u0340"]
    text = ""
    for _ in range(rng.randrange(1, 5)):
        some = rng.sample(MARKS, 6) + rng.choices(odd, k=seed % 3)
        n = rng.choice([1, MARKS_RUN - 1, MARKS_RUN, 3 * MARKS_RUN])
        text += rng.choice(letters) + "".join(rng.choices(some, k=n))
    expected = unicodedata.normalize("NFKC", text)
    asked: list[str] = []
    library = unicodedata.normalize
    monkeypatch.setattr(
        module.unicodedata,
        "normalize",
        lambda form, each: asked.append(each) or library(form, each),
    )
    assert module._nfkc(text) == expected
    apart = "".join(library("NFKD", c) for c in asked[-1])
    classes = list(map(unicodedata.combining, apart))
    falls = 0  # within one run
    for before, after in pairwise(classes):
        falls = falls + (after < before) if after else 0
        assert falls < MARKS_RUN


def test_marks_that_a_letter_parts_only_until_it_is_folded_away() -> None:
    tatweel = "a" + ("\u0301\u0316" * 50 + "\u0640") * 60
    assert normalise(tatweel) == unicodedata.normalize("NFKC", "a" + "\u0301\u0316" * 3_000)


def test_what_is_nothing_but_marks_and_none_by_its_class() -> None:
    assert sorted(module._APART) == sorted(HIDDEN_MARKS)
