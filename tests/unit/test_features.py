"""Every feature has words, and none is said by its raw name."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from detectors.layout import FEATURES, N_Z
from schemas.records import Reason
from streams.features import FEATURE_WORDS, phrase
from streams.words import sentence
from tests.helpers.door import alert


def test_every_feature_has_words_in_its_place() -> None:
    assert tuple(FEATURE_WORDS) == FEATURES
    assert [f.unit for f in list(FEATURE_WORDS.values())[:N_Z]] == ["deviations"] * N_Z
    for feature in FEATURE_WORDS.values():
        assert feature.meaning
        assert feature.unit
        assert not feature.meaning.endswith(".")
    assert len({f.label for f in FEATURE_WORDS.values()}) == len(FEATURES)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("value", [0.0, 0.34, 1.0, 7.25, 900.0, -2.5, None])
def test_no_value_is_said_by_a_raw_name(name: str, value: float | None) -> None:
    said = phrase(name, value)
    assert "_" not in said
    assert "log2" not in said
    assert "60s" not in said
    assert (said.endswith(" unknown")) == (value is None)
    assert value is None or re.search(r"\d|usually no|older than", said)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("z_volume_day", 3.456, "volume of a day z 3.46"),
        ("authors_60s", 31.0, "31 authors in 1 min"),
        ("log2_volume_60s", 0.0, "$0 traded in 1 min"),
        ("authors_per_mention", 0.5, "0.50 authors a post"),
        ("top_platform_share", 0.8, "80% of posts on one platform"),
        ("reach_per_mention_log2", 10.0, "reach 1,023 a post"),
        ("turnover", 0.013, "0.013x the liquidity traded in 1 min"),
        ("trades_per_trader", 2.14, "2.1 trades a trader"),
        ("return_5m", -1.0, "price 0.50x in 5 min"),
        ("age_min", 1_440.0, "older than a day"),
        ("mention_accel", 2.0, "posts speeding up z 2"),
        ("late_share", 0.031, "3% came late"),
        ("traders_mean_1h", 1.2247, "usually no traders"),
        ("of_tomorrow", 2.0, "of tomorrow 2"),
    ],
)
def test_phrases(name: str, value: float, said: str) -> None:
    assert phrase(name, value) == said


def test_an_alert_in_one_line() -> None:
    one = replace(
        alert("a", 0),
        market_cap_usd=1.5e6,
        reasons=(
            Reason("log2_volume_60s", 12.0, None, None, None, 0.2),
            Reason("z_authors", 6.2, 0.1, 1.0, 60, 1.4),
            Reason("copy_share", 0.5, None, None, None, -0.7),
        ),
    )
    assert sentence(one) == (
        "GDOG candidate: P 90%, $0.0015, cap $1.5 M, moved 1.2x so far; "
        "authors z 6.2, $4.09 k traded in 1 min"
    )
    left = replace(
        one, kind="fading", symbol=None, attention_share_of_peak=0.4, market_cap_usd=None
    )
    assert sentence(left) == (
        "0x000000 fading: $0.0015, attention at 40% of its peak, price at 100%"
    )
