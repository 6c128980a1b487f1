"""What an exploration keeps for long is as large as what it keeps, not as the chunks it came from."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

from detectors.batch.strings import Strings
from detectors.columns import TICK, Columns, columns_of
from detectors.settings import EngineSettings
from schemas.records import Tick
from streams.explore.change import Change, Changed, Source
from streams.explore.material import material
from streams.explore.narrow import narrowed
from streams.explore.sweep import _Run
from streams.files.write import write_records
from streams.replay.inputs import opened
from streams.replay.steps import Step
from tests.helpers.records import T0, TOKENS

LATER_MS = 3_600_000


def chunk(number: int, at_ms: int) -> tuple[Columns, weakref.ref[Any]]:
    """A trade of each token, with ids that lie in a buffer, as readers of files give them."""
    ticks = [Tick(f"t{number}/{i}", at_ms, t, 1, 1, "buy", "w") for i, t in enumerate(TOKENS)]
    ids = Strings.of([tick.id for tick in ticks])
    data = ids.data.copy()
    rows = replace(columns_of(ticks, [at_ms] * len(ticks)), ids=Strings(data, ids.starts, ids.ends))
    return rows, weakref.ref(data)


def test_records_that_come_much_later_wait_without_the_chunks_they_came_in() -> None:
    changed = Changed(Change("later", delay=((Source(TICK), LATER_MS),)))
    chunks = 1_200
    for n in range(chunks):
        columns, buffer = chunk(n, T0 + 1_000 * n)
        out = changed.step(Step("log", {0: columns}, n, T0 + 1_000 * n, None)).columns[0]
        del columns
        assert out is None
        assert buffer() is None
    end = T0 + LATER_MS + 1_000 * chunks
    given = changed.step(Step("log", {0: None}, chunks, end, None)).columns[0]
    assert given is not None and given.ids is not None
    assert list(given.ids) == [f"t{n}/{i}" for n in range(chunks) for i in range(len(TOKENS))]


def test_records_of_some_tokens_are_kept_without_the_others() -> None:
    columns, buffer = chunk(0, T0)
    rows = narrowed(columns, lambda token: token == TOKENS[1])
    del columns
    assert rows is not None and list(rows.ids or ()) == ["t0/1"]
    assert buffer() is None


def test_a_log_that_is_kept_for_a_sweep_is_kept_without_its_files(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    ticks = [Tick(f"t{n}", T0 + 1_000 * n, TOKENS[n % 3], 1, 1, "buy", "w") for n in range(50)]
    write_records(ticks, path)
    with opened([path], tmp_path / "spill") as inputs:
        run = _Run(material([path]), inputs, (EngineSettings(),), lambda _: None)
        run.all(("candidate_bars",))
    kept = [columns.ids for step in run._kept or () for columns in step.columns.values() if columns]
    assert kept == [[tick.id for tick in ticks]]
