"""An alert moved by a change is moved on purpose: the golden file changes in the same commit."""

from __future__ import annotations

import json

import pytest

from tests.helpers.golden import GOLDEN, rednote_alerts


@pytest.mark.slow
def test_the_scenario_raises_the_golden_alerts() -> None:
    golden = GOLDEN.read_text("utf-8").splitlines()
    raised = rednote_alerts()
    for number, (was, now) in enumerate(zip(golden, raised, strict=False)):
        before, after = json.loads(was), json.loads(now)
        moved = {name: (before[name], after[name]) for name in after if after[name] != before[name]}
        assert not moved, f"alert {number} moved; if on purpose, run `make golden`"
    assert len(raised) == len(golden)
    assert raised == golden
