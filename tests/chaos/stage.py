"""One scenario's stage: topics on a real broker, what is fed to them, a receiver of alerts."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import aiohttp
from standardwebhooks import WebhookVerificationError

from schemas.records import Record
from schemas.topics import ALERTS
from streams.kafka.connection import Connection
from streams.kafka.groups import group_of
from streams.kafka.log import KafkaLog
from streams.local_kafka.broker import KafkaBroker
from streams.worker.alerts import decode_alert
from tests.chaos.crew import Process, Worker
from tests.chaos.waves import SETTINGS, T0, lexicon
from tests.helpers.door import SECRET, Receiver, receiver
from tests.kafka.live import clear, command, produce

PATIENCE_S = 240.0
SLICE = 500
"""Records that are produced at a time, when they are to come at a rate."""


@dataclass
class Stage:
    """What a scenario acts on.

    Parameters
    ----------
    broker : a running one; the scenario may kill it.
    folder : for the data folders and logs of workers.
    partitions, mention_partitions : of the topics.
    log : the broker's topics, from outside.
    door : gets the alerts of every worker by webhook.
    """

    broker: KafkaBroker
    folder: Path
    partitions: int
    mention_partitions: int
    log: KafkaLog
    door: Receiver
    config: Path
    lexicon: Path
    workers: list[Worker] = field(default_factory=list)
    fed: int = 0
    notes: list[str] = field(default_factory=list)
    """What a scenario has to say beside the verdict."""
    forged: list[str] = field(default_factory=list)
    """Requests that did not verify when they came."""
    _alerts: list[tuple[str, bytes]] = field(default_factory=list)
    _alerts_read: Counter[int] = field(default_factory=Counter)

    def worker(self, name: str, *args: str, **options: str) -> Worker:
        """A worker of this name, not started; ``options`` are variables of its environment."""
        where = ("--bootstrap", self.broker.bootstrap, "--config", str(self.config))
        worker = Worker(
            name, self.folder / name, (*where, "--lexicon", str(self.lexicon), *args), options
        )
        self.workers.append(worker)
        return worker

    async def kept(self, *names: str, **options: str) -> list[Worker]:
        """Workers that are started again whenever they end; all of them at work."""
        crew = [self.worker(name, **options) for name in names]
        for worker in crew:
            worker.keep()
        await self.at_work(*crew)
        return crew

    async def at_work(self, *crew: Worker) -> None:
        """Wait until all of these are at work."""
        await self.until(lambda: all(worker.working for worker in crew), "workers at work")

    async def share(self, records: Sequence[Record], share: float) -> None:
        """Wait until a share of records has been fed."""
        await self.until(lambda: self.fed >= share * len(records), f"{share:.0%} fed")

    async def feed(self, records: Sequence[Record], per_s: float = 0.0) -> None:
        """Produce records in order, each its own message; at a rate, where there is one."""
        began = monotonic()
        for first in range(0, len(records), SLICE):
            some = records[first : first + SLICE]
            await produce(self.log, some)
            self.fed += len(some)
            if per_s:
                await asyncio.sleep(max(0.0, began + (first + len(some)) / per_s - monotonic()))

    async def alerts(self) -> list[tuple[str, bytes]]:
        """Every message of the alerts topic, with its alert's id."""
        for p in range(self.partitions):
            while records := await self.log.read(ALERTS, p, self._alerts_read[p]):
                values = [record.value or b"" for record in records]
                self._alerts += [(decode_alert(raw).alert_id, raw) for raw in values]
                self._alerts_read[p] = records[-1].offset + 1
        return self._alerts

    async def alert_ids(self) -> set[str]:
        """Ids of the alerts in the topic."""
        return {alert_id for alert_id, _ in await self.alerts()}

    async def until(
        self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S
    ) -> None:
        """Wait for something; AssertionError where it does not come about."""
        ends = monotonic() + seconds
        while not condition():
            assert monotonic() < ends, f"{what}: not within {seconds:g} s; {self.tails()}"
            await asyncio.sleep(0.1)

    async def until_alerts(self, count: int, seconds: float = PATIENCE_S) -> None:
        """Wait for so many alerts in the topic."""
        ends = monotonic() + seconds
        while (found := len(await self.alert_ids())) < count:
            assert monotonic() < ends, f"{found} alerts of {count}; {self.tails()}"
            await asyncio.sleep(0.2)

    async def committed(self) -> dict[tuple[str, int], int]:
        """Offsets that the workers' group has committed."""
        where = Connection(self.broker.bootstrap)
        return (await asyncio.to_thread(group_of, where, "goldendog")).committed

    async def renewed(self) -> None:
        """Look at topics afresh: one was made anew."""
        await self.log.stop()
        self.log = KafkaLog(self.broker.bootstrap)
        await self.log.start()

    async def unread(self) -> dict[str, int]:
        """Records between the group's commits and the ends, of inputs where there are any."""
        left: dict[str, int] = {}
        for (topic, p), offset in sorted((await self.committed()).items()):
            at = offset
            while more := await self.log.read(topic, p, at):  # marks of transactions are no records
                left[f"{topic}/{p}"] = left.get(f"{topic}/{p}", 0) + len(more)
                at = more[-1].offset + 1
        return left

    async def all_read(self, seconds: float = PATIENCE_S) -> None:
        """Wait until the group has committed everything, or for so long."""
        ends = monotonic() + seconds
        while monotonic() < ends and await self.unread():
            await asyncio.sleep(0.3)

    async def verifying(self) -> None:
        """Verify requests as they come: a signature is good for five minutes."""
        done = 0
        while True:
            for request in self.door.got[done:]:
                try:
                    request.verify()
                except WebhookVerificationError as error:
                    self.forged.append(f"{request.id} does not verify: {error}")
                done += 1
            await asyncio.sleep(0.5)

    def tails(self) -> str:
        """The end of what each worker said."""
        return "\n".join(f"--- {w.name}\n{w.said()[-1_500:]}" for w in self.workers)


@asynccontextmanager
async def stage(
    broker: KafkaBroker,
    folder: Path,
    *,
    partitions: int = 4,
    mention_partitions: int = 3,
    recorded: bool = True,
    settings: str = "",
) -> AsyncIterator[Stage]:
    """Topics of their own, and nothing of them or of the workers left afterwards.

    ``settings`` are further lines of the section ``[kafka]``.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(clear, broker.bootstrap)
    how = ("--partitions", str(partitions), "--mention-partitions", str(mention_partitions))
    when = ("--recorded", "--log-start-ms", str(T0)) if recorded else ()
    await asyncio.to_thread(
        command, "topics", "create", "--bootstrap", broker.bootstrap, *how, *when
    )
    words = folder / "lexicon.json"
    words.write_text(json.dumps(lexicon()))
    config = folder / "goldendog.toml"
    async with KafkaLog(broker.bootstrap) as log, receiver() as door:
        config.write_text(_config(door.url, settings, folder / "control"))
        it = Stage(
            broker, folder, partitions, mention_partitions, log, door, config, words
        )  # fmt: skip
        verifying = asyncio.create_task(it.verifying())
        try:
            yield it
        finally:
            verifying.cancel()
            await asyncio.gather(verifying, return_exceptions=True)
            for worker in it.workers:
                await worker.end()
            if it.log is not log:
                await it.log.stop()
    await asyncio.to_thread(clear, broker.bootstrap)


def _config(url: str, settings: str, control: Path) -> str:
    return f"""control_files = "{control}"
{SETTINGS}
[kafka]
session_timeout_s = 6
commit_interval_s = 0.5
{settings}
[[webhooks]]
name = "desk"
url = "{url}"
secret = "{SECRET}"
allow_private = true
deliver_replayed = true
max_per_day = 1_000_000
max_age_s = 86_400
"""


async def metrics(process: Process) -> dict[str, float]:
    """What a worker's ``/metrics`` says, by name and labels; empty where it does not answer."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{process.port}/metrics") as answer,
        ):
            text = await answer.text()
    except (aiohttp.ClientError, OSError):
        return {}
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}
