from __future__ import annotations

import pytest

from detectors.resolve.cashtags import find_cashtags
from detectors.resolve.context import NEAR_CHARS, Context
from detectors.resolve.terms import Hit, Terms, longest, splits


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("momo", True),
        ("#momo!", True),
        ("(momo)", True),
        ("momo's", True),
        ("momo头像", True),
        ("🚀momo🚀", True),
        ("momos", False),
        ("xmomo", False),
        ("momo2", False),
        ("momo_cat", False),
        ("@momo", False),
        ("momoمومو", False),
    ],
)
def test_latin_terms_are_whole_words(text: str, found: bool) -> None:
    assert bool(Terms({"momo": 1}).find(text)) is found


@pytest.mark.parametrize(
    ("text", "found"),
    [("مومو", True), ("عملة مومو الآن", True), ("مومون", False), ("ومومو", False)],
)
def test_arabic_terms_are_whole_words(text: str, found: bool) -> None:
    assert bool(Terms({"مومو": 1}).find(text)) is found


@pytest.mark.parametrize("text", ["我的小粉龙起飞", "小粉龙", "abc小粉龙abc", "코인小粉龙은"])
def test_han_terms_stand_within_a_sentence(text: str) -> None:
    assert [h.value for h in Terms({"小粉龙": 1}).find(text)] == [1]


def test_devanagari_vowel_signs_belong_to_the_word() -> None:
    assert not Terms({"कॉइन": 1}).find("कॉइनी")
    assert Terms({"कॉइन": 1}).find("कॉइन लो")


def test_no_terms_find_nothing() -> None:
    assert Terms[int]({}).find("momo") == []


def test_the_longest_term_at_a_place_wins() -> None:
    terms = Terms({"momo": "MOMO", "baby momo": "BABY", "红书": "x", "小红书": "REDNOTE"})
    hits = longest(terms.find("baby momo 小红书 momo"))
    assert [h.value for h in hits] == ["BABY", "REDNOTE", "MOMO"]


def test_overlapping_terms_of_which_none_holds_the_other_both_stay() -> None:
    hits = [Hit(0, 3, "a"), Hit(2, 5, "b")]
    assert longest(hits) == hits


def test_splits_at_both_ends_of_a_text() -> None:
    assert splits("ab", 0)
    assert splits("ab", 2)
    assert not splits("ab", 1)


SYMBOLS = {"momo", "100", "100k", "1inch", "薯队长", "ai", "مومو", "a" * 15, "a" * 16}


@pytest.mark.parametrize(
    ("copy", "symbols"),
    [
        ("$momo", ["momo"]),
        ("buy $momo, $ai!", ["momo", "ai"]),
        ("$momo起飞", ["momo"]),
        ("$momo头像$ai", ["momo", "ai"]),
        ("$薯队长起飞", ["薯队长"]),
        ("买$momo", ["momo"]),
        ("$مومو الآن", ["مومو"]),
        ("$momo's", ["momo"]),
        ("$1inch", ["1inch"]),
        ("$100", []),
        ("$100k", []),
        ("$momos", []),
        ("$momo_cat", []),
        ("us$momo", []),
        ("$$momo", []),
        ("$ momo", []),
        ("$", []),
        ("$" + "a" * 15, ["a" * 15]),
        ("$" + "a" * 16, []),
    ],
)
def test_cashtags(copy: str, symbols: list[str]) -> None:
    assert [symbol for _, _, symbol in find_cashtags(copy, SYMBOLS)] == symbols


@pytest.mark.parametrize(("gap", "near"), [(0, True), (NEAR_CHARS, True), (NEAR_CHARS + 1, False)])
@pytest.mark.parametrize("before", [True, False])
def test_context_is_near_up_to_a_bound_on_either_side(gap: int, near: bool, before: bool) -> None:
    dots = "." * gap
    copy = f"冲{dots}momo" if before else f"momo{dots}冲"
    start = copy.index("momo")
    owners = Context(Terms({"冲": frozenset({"*"})}), copy).near(start, start + 4)
    assert owners == (frozenset({"*"}) if near else frozenset())


def test_a_word_is_not_its_own_context() -> None:
    context = Context(Terms({"pump": frozenset({"*"})}), "pump it")
    assert context.near(0, 4) == frozenset()
    assert context.anywhere() == frozenset({"*"})
