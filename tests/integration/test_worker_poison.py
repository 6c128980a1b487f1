"""A record that makes the worker fail costs itself alone: real processes, both logs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import msgspec
import pytest

from schemas.records import DeadLetter, Mention, Record, Tick, TokenInfo
from schemas.topics import ALERTS, DEAD_LETTERS
from streams.files.write import write_records
from streams.kafka.log import KafkaLog
from streams.log.sqlite_reader import open_readonly
from streams.replay.api import replay
from streams.scenario.coins import lexicon_text
from tests.helpers.pump import in_order
from tests.kafka.live import FROM_MS, PATIENCE_S, ROOT, alerts_in, command, produce, scenario

HOURS = 5.5
pytestmark = [pytest.mark.slow]


@contextmanager
def poisoned(folder: Path, bad: Sequence[Record], *args: str) -> Iterator[subprocess.Popen[str]]:
    """A ``goldendog run`` that these records make fail."""
    resolver, engine = bad[0].id, ",".join(record.id for record in bad[1:])
    with (folder / "worker.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.kafka.poisoned", "run", *args, "--json"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=log,
            text=True,
            env=os.environ
            | {"GOLDENDOG_CONFIG": "", "POISON_RESOLVER": resolver, "POISON_ENGINE": engine},
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


class Case:
    """Records, those among them that are poison, and the alerts of the rest."""

    def __init__(self, folder: Path) -> None:
        self.records = scenario(HOURS)
        self.lexicon, self.file = folder / "lexicon.json", folder / "records.ndjson"
        self.lexicon.write_text(lexicon_text())
        middle = self.records[len(self.records) // 3 :]
        mentions = [r for r in middle if isinstance(r, Mention) and "MOMO" in r.text]
        ticks = [r for r in middle if isinstance(r, Tick)]
        infos = [r for r in middle if isinstance(r, TokenInfo)]
        self.bad: list[Record] = [mentions[0], mentions[7], ticks[100], ticks[101], infos[0]]
        names = {record.id for record in self.bad}
        assert len(names) == len(self.bad)
        good = [record for record in self.records if record.id not in names]
        write_records(good, self.file)
        replay(self.file, lexicon=self.lexicon, out=folder / "replayed")
        alerts = (folder / "replayed" / "alerts.ndjson").read_bytes()
        self.expected = alerts.splitlines()
        assert len(self.expected) >= 3

    def check(self, letters: list[DeadLetter]) -> None:
        assert {letter.code for letter in letters} == {"poison"}
        kept = {
            (letter.place, record.id)
            for letter in letters
            for record in self.bad
            if f'"id":"{record.id}"'.encode() in letter.raw
        }
        assert {name for _, name in kept} == {record.id for record in self.bad}
        assert {place for place, _ in kept} == {letter.place for letter in letters}
        assert len({letter.place for letter in letters}) == len(letters) == len(self.bad)
        wrong = {letter.problem for letter in letters}
        assert any("ZeroDivisionError" in problem for problem in wrong)
        assert all(letter.remedy for letter in letters)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("case"))


def test_an_embedded_run_passes_poison_over(case: Case, tmp_path: Path) -> None:
    whole = tmp_path / "whole.ndjson"
    write_records(case.records, whole)
    args = ("--embedded", "--data-dir", str(tmp_path / "data"), "--recorded-time")
    lexicon = ("--lexicon", str(case.lexicon), "--partitions", "2")
    with poisoned(tmp_path, case.bad, *args, *lexicon, "--exit-at-end", str(whole)) as run:
        assert run.wait(PATIENCE_S) == 0, (tmp_path / "worker.log").read_text()
    with open_readonly(tmp_path / "data") as log:
        found = [r.value or b"" for p in range(2) for r in log.iter_topic(ALERTS, p)]
        letters = [r.value or b"" for r in log.iter_topic(DEAD_LETTERS, 0)]
    assert in_order(found) == case.expected
    case.check([msgspec.json.decode(raw, type=DeadLetter) for raw in letters])
    assert "a record was passed over" in (tmp_path / "worker.log").read_text()


@pytest.mark.broker
async def test_a_worker_on_kafka_passes_poison_over(
    bare_broker: str, case: Case, tmp_path: Path
) -> None:
    create = ("--partitions", "2", "--mention-partitions", "2", "--recorded")
    where = ("--bootstrap", bare_broker)
    command("topics", "create", *where, *create, "--log-start-ms", str(FROM_MS))
    async with KafkaLog(bare_broker) as log:
        await produce(log, case.records)
        args = (*where, "--data-dir", str(tmp_path), "--lexicon", str(case.lexicon))
        with poisoned(tmp_path, case.bad, *args) as run:
            until = monotonic() + PATIENCE_S
            while len(await alerts_in(log, 2)) < len(case.expected):
                assert monotonic() < until and run.poll() is None, said(tmp_path)
                await asyncio.sleep(0.2)
            run.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(run.wait, PATIENCE_S) == 0, said(tmp_path)
        assert in_order(await alerts_in(log, 2)) == case.expected
        letters = await log.read(DEAD_LETTERS, 0, 0)
    case.check([msgspec.json.decode(r.value or b"", type=DeadLetter) for r in letters])


def said(folder: Path) -> str:
    return (folder / "worker.log").read_text()
