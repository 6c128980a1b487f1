"""Whether a run went as if nothing had happened: its alerts beside a replay of the same log."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console
from rich.table import Table

from schemas.topics import BY_NAME, CONTROL, MENTIONS, TICKS, TOKEN_INFO
from streams.log.base import Item
from streams.replay.api import replay
from streams.settings_load import load_settings
from streams.sources.embedded_log import open_embedded_log
from streams.worker.alerts import decode_alert
from streams.worker.poison import silence
from tests.chaos.stage import PATIENCE_S, Stage
from tests.chaos.waves import T0

INPUTS = (MENTIONS, TICKS, TOKEN_INFO, CONTROL)


@dataclass
class Verdict:
    """What came of a scenario, in counts.

    Parameters
    ----------
    wrong : what is not as it should be; the scenario held where there is nothing.
    records : messages fed, heartbeats of all partitions aside.
    expected : alerts of the undisturbed replay of the same log.
    alerts : alerts in the topic, each id once.
    again : further messages in the topic with an id that was there.
    delivered : alerts that the receiver got, each id once.
    resent : further requests with an id that it had.
    starts, crashes : lives of workers, and those of them that did not end by SIGTERM.
    slowest_stop_s : the longest that a worker took from SIGTERM to its end, at the scenario's end.
    """

    scenario: str
    wrong: list[str] = field(default_factory=list)
    records: int = 0
    expected: int = 0
    alerts: int = 0
    again: int = 0
    delivered: int = 0
    resent: int = 0
    starts: int = 0
    crashes: int = 0
    slowest_stop_s: float = 0.0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return not self.wrong

    def counted(self) -> str:
        """The counts in one line."""
        return (
            f"{self.records:,} records, {self.expected:,} alerts expected, {self.alerts:,} and "
            f"{self.again:,} again, {self.delivered:,} delivered and {self.resent:,} again, "
            f"{self.starts} starts, {self.crashes} crashes, {self.seconds:.0f} s"
        )

    def as_dict(self) -> dict[str, Any]:
        return {"held": self.held} | asdict(self)


@dataclass(frozen=True)
class Prefix:
    """What a replay of the whole log gives, of which a worker that had to stop gives a part."""

    alerts: list[bytes]


async def copy_log(it: Stage, folder: Path, without: Collection[str] = ()) -> Path:
    """The raw topics as the log of an embedded run: the same partitions, order and log times.

    In place of the records whose ids are in ``without`` there is silence.
    """
    names = [f'"id":"{name}"'.encode() for name in without]
    with open_embedded_log(
        folder,
        stamp="recorded",
        partitions=it.partitions,
        mention_partitions=it.mention_partitions,
        log_start_ms=T0,
    ) as copy:
        for topic in INPUTS:
            assert BY_NAME[topic].raw_input
            for p in range(await it.log.partitions(topic)):
                offset = 1  # the copy has the first, which says when the log began, by itself
                while records := await it.log.read(topic, p, offset, 10_000):
                    heard = [
                        silence(r) if any(name in (r.value or b"") for name in names) else r
                        for r in records
                    ]
                    items = [Item(r.key, r.value, r.timestamp) for r in heard]
                    await copy.append(topic, p, items)
                    offset = records[-1].offset + 1
    return folder


async def expected_of(
    it: Stage, name: str = "replayed", without: Collection[str] = ()
) -> list[bytes]:
    """Alerts of an undisturbed replay of what the raw topics hold, but for some records."""
    data = await copy_log(it, it.folder / f"{name}-log", without)
    return await asyncio.to_thread(replayed, it, data, it.folder / name)


def replayed(it: Stage, data: Path, out: Path) -> list[bytes]:
    """Alerts of a replay with the settings of the workers."""
    settings = load_settings(it.config, {"data_dir": it.folder})
    replay(
        data,
        settings=settings.engine,
        lexicon=it.lexicon,
        out=out,
        control_files=settings.control_folder(),
    )
    return (out / "alerts.ndjson").read_bytes().splitlines()


async def judge(
    it: Stage, scenario: str, expected: Sequence[bytes] | Prefix | None = None
) -> Verdict:
    """Wait until everything is worked on, drain the workers, and compare."""
    verdict = Verdict(scenario, records=it.fed, notes=it.notes)
    stopped = isinstance(expected, Prefix)
    if expected is None:
        expected = await expected_of(it)
    lines = expected.alerts if isinstance(expected, Prefix) else expected
    wanted = {decode_alert(raw).alert_id: raw for raw in lines}
    verdict.expected = len(wanted)
    ends = monotonic() + PATIENCE_S
    while not stopped and not (
        wanted.keys() <= await it.alert_ids() and wanted.keys() <= set(it.door.ids)
    ):
        if monotonic() > ends:
            verdict.wrong.append(f"not all is there after {PATIENCE_S:g} s")
            break
        await asyncio.sleep(0.3)
    there = [worker for worker in it.workers if worker.there]
    if not stopped:
        await it.at_work(*there)
        await it.all_read(ends - monotonic())  # what follows the last alert
    for worker in there:
        if worker.there:
            seconds = await worker.drain()
            verdict.slowest_stop_s = max(verdict.slowest_stop_s, seconds)
    await _compare(it, wanted, verdict, whole=not stopped)
    if not stopped and (left := await it.unread()):
        verdict.wrong.append(f"not read to the end: {left}")
    verdict.starts = sum(worker.starts for worker in it.workers)
    verdict.crashes = sum(code != 0 for worker in it.workers for code in worker.codes)
    return verdict


async def _compare(
    it: Stage, wanted: dict[str, bytes], verdict: Verdict, *, whole: bool = True
) -> None:
    found: Counter[str] = Counter()
    for alert_id, raw in await it.alerts():
        found[alert_id] += 1
        if alert_id not in wanted:
            verdict.wrong.append(f"{alert_id} is in the topic, and in no replay")
        elif raw != wanted[alert_id]:
            verdict.wrong.append(f"{alert_id} differs from the replay's")
    verdict.alerts, verdict.again = len(found), found.total() - len(found)
    got = Counter(it.door.ids)
    verdict.delivered, verdict.resent = len(got), got.total() - len(got)
    verdict.wrong += it.forged
    for what, there in (("in the topic", found), ("delivered", got)):
        if whole and (missing := wanted.keys() - there.keys()):
            verdict.wrong.append(f"{len(missing)} alerts are not {what}, {min(missing)} for one")
    if strange := got.keys() - wanted.keys():
        verdict.wrong.append(f"{len(strange)} delivered alerts are in no replay")


def show(verdicts: Sequence[Verdict]) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False)
    table.add_column("scenario")
    numbers = ("records", "expected", "alerts", "again", "delivered", "resent", "starts", "crashes")
    for name in (*numbers, "seconds"):
        table.add_column(name, justify="right")
    table.add_column("held")
    for v in verdicts:
        cells = [f"{getattr(v, name):,}" for name in numbers]
        table.add_row(v.scenario, *cells, f"{v.seconds:.0f}", "yes" if v.held else "NO")
    Console(width=150).print(table)
    for v in verdicts:
        for line in (*v.wrong, *v.notes):
            print(f"{v.scenario}: {line}")
