"""What the chaos suite stands on: its scenarios are told of, and its verdict finds what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from streams.worker.alerts import encode_alert
from tests.chaos.scenarios import ALL, BY_NAME, SHORT
from tests.chaos.verdict import Prefix, judge
from tests.helpers.door import alert

DOC = Path(__file__).parents[2] / "docs" / "chaos.md"
ALERTS = [encode_alert(alert(name, 1_000)) for name in ("a", "b", "c")]
OTHER = encode_alert(alert("b", 1_000, 0.7))


def test_every_scenario_is_explained() -> None:
    text = DOC.read_text()
    assert len(BY_NAME) == len(ALL)
    assert [name for name in BY_NAME if f"| `{name}` |" not in text] == []
    assert set(SHORT) <= set(BY_NAME)


class Door:
    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = list(ids)


class Stage:
    """A stage after its scenario: nobody works any more."""

    workers: tuple[Any, ...] = ()
    fed = 9

    def __init__(
        self, there: Sequence[bytes], ids: Sequence[str], unread: dict[str, int] | None = None
    ) -> None:
        self.there, self.door, self.left = there, Door(ids), unread or {}
        self.notes: list[str] = []
        self.forged: list[str] = []

    async def alerts(self) -> list[tuple[str, bytes]]:
        return [(id_of(raw), raw) for raw in self.there]

    async def alert_ids(self) -> set[str]:
        return {id_of(raw) for raw in self.there}

    async def at_work(self, *_: Any) -> None:
        pass

    async def all_read(self, _: float) -> None:
        pass

    async def unread(self) -> dict[str, int]:
        return self.left


def id_of(raw: bytes) -> str:
    return next(part for part in raw.decode().split('"') if part.startswith("gd_"))


EVERY = ("gd_a", "gd_b", "gd_c")


@pytest.mark.parametrize(
    ("there", "ids", "unread", "wrong"),
    [
        (ALERTS, EVERY, {}, ""),
        ([*ALERTS, ALERTS[0]], (*EVERY, "gd_a"), {}, ""),  # again, but nothing else
        ([*ALERTS, OTHER], EVERY, {}, "gd_b differs from the replay's"),
        (
            [*ALERTS, encode_alert(alert("d", 1))],
            EVERY,
            {},
            "gd_d is in the topic, and in no replay",
        ),
        (ALERTS, (*EVERY, "gd_d"), {}, "1 delivered alerts are in no replay"),
        (ALERTS, EVERY, {"dex.ticks.v1/0": 3}, "not read to the end: {'dex.ticks.v1/0': 3}"),
        (ALERTS[:2], EVERY, {}, "1 alerts are not in the topic, gd_c for one"),
        (ALERTS, EVERY[:2], {}, "1 alerts are not delivered, gd_c for one"),
    ],
)
async def test_the_verdict_finds_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
    there: list[bytes],
    ids: Sequence[str],
    unread: dict[str, int],
    wrong: str,
) -> None:
    monkeypatch.setattr("tests.chaos.verdict.PATIENCE_S", 0.0)
    stage: Any = Stage(there, ids, unread)
    verdict = await judge(stage, "test", ALERTS)
    assert verdict.held == (not wrong)
    assert wrong in [*verdict.wrong, ""]
    assert (verdict.expected, verdict.records) == (3, 9)


async def test_a_worker_that_had_to_stop_owes_a_part_and_no_more() -> None:
    stage: Any = Stage(ALERTS[:1], EVERY[:1], {"dex.ticks.v1/0": 3})
    assert (await judge(stage, "test", Prefix(ALERTS))).held
    stage = Stage([OTHER], ())
    assert not (await judge(stage, "test", Prefix(ALERTS))).held


async def test_a_request_that_did_not_verify_is_told_of() -> None:
    stage: Any = Stage(ALERTS, EVERY)
    stage.forged = ["gd_a does not verify: No matching signature found"]
    assert (await judge(stage, "test", ALERTS)).wrong == stage.forged
