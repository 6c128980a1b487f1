from __future__ import annotations

import unicodedata

import pytest

from detectors.resolve.han import SIMPLIFIED
from detectors.resolve.normalise import fold, normalise, visible


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
