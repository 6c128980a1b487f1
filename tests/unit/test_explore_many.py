"""Many settings walked at once: the engine of each, whatever room there is for what they find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.engine import Engine
from streams.explore.many import ManyEngine
from tests.helpers.logs import SETTINGS, T0, alert_bytes, deal, play, random_log
from tests.helpers.models import crowd_model

VARIED = [
    SETTINGS,
    replace(SETTINGS, candidate_bars=1),
    replace(SETTINGS, fading_bars=1, closed_bars=1, refractory_bars=0),
]


POSTS = [
    replace(SETTINGS, ticks=False, attention_z_week=limit, closed_bars=6, refractory_bars=3)
    for limit in (9.0, 4.0, 60.0)
]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("room", [6, 256])
def test_each_setting_has_its_own_engines_alerts(seed: int, room: int) -> None:
    (inputs,) = deal(random_log(seed, n=2_000), 1, 1)
    names = [one.name for one in inputs]
    marks = [f"mark {k}" for k in range(len(VARIED))]
    many = ManyEngine(VARIED, crowd_model(), names, fingerprints=marks, symbols={})
    many._out = (*many._out[:3], *(array[:room] for array in many._out[3:]))
    play(inputs, np.random.default_rng(seed), chunk=2_000, engine=many)
    assert not many.odd
    grown = len(many._out[3])
    for setting, mark, found in zip(VARIED, marks, many.found, strict=True):
        engine = Engine(setting, crowd_model(), names, fingerprint=mark)
        own = play(inputs, np.random.default_rng(seed), chunk=2_000, engine=engine)
        assert own
        assert alert_bytes(found) == alert_bytes(own)
    assert grown == room if room == 256 else grown > room


@pytest.mark.parametrize("seed", [1, 2])
def test_posts_alone_have_each_their_own_limit(seed: int) -> None:
    (inputs,) = deal(random_log(seed, n=4_000, span_ms=6_000_000), 1, 1)
    names = [one.name for one in inputs]
    marks = [f"mark {k}" for k in range(len(POSTS))]
    day = T0 - 30 * 3_600_000
    many = ManyEngine(POSTS, crowd_model(), names, fingerprints=marks, symbols={})
    play(inputs, np.random.default_rng(seed), chunk=2_000, engine=many, log_start_ms=day)
    told = []
    for setting, mark, found in zip(POSTS, marks, many.found, strict=True):
        engine = Engine(setting, crowd_model(), names, fingerprint=mark)
        rng = np.random.default_rng(seed)
        own = play(inputs, rng, chunk=2_000, engine=engine, log_start_ms=day)
        assert alert_bytes(found) == alert_bytes(own)
        told.append(len(own))
    assert told[1] > told[0] > told[2] == 0
