"""After a worker has warmed up, no kernel is compiled that was not: that would hold it up for seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from numba.core.dispatcher import Dispatcher

from detectors.batch.resolver import BatchResolver
from detectors.engine import Engine
from detectors.resolved import decode_batch, pack_columns, unpack_batch
from detectors.settings import EngineSettings
from schemas.decode import encode_record
from schemas.records import Alert, Heartbeat, Mention, Record, Tick
from schemas.topics import MENTIONS, TICKS
from streams.detection import Detection
from streams.log.base import LogRecord
from streams.log.slab import Slab
from streams.model_store import load_default_model
from streams.run.warm import warm_up
from streams.worker.resolving import deal, resolve_slab
from streams.worker.scanning import TickScanner
from tests.helpers.crowd import crowd
from tests.helpers.records import LEXICON, T0, TOKENS

ROOT = Path(__file__).parents[2]
SETTINGS = EngineSettings(
    candidate_logit_micro=-20_000_000, candidate_bars=1, min_authors_15m=2, min_traders_15m=2
)
ODD: list[bytes | None] = [b"nonsense", None, encode_record(Heartbeat("h", T0))]


def kinds_compiled() -> dict[str, int]:
    """Of how many kinds of arguments each kernel is there."""
    return {
        f"{name}.{kernel.__name__}": len(kernel.signatures)
        for name, module in list(sys.modules.items())
        if name.startswith(("detectors.", "streams."))
        for kernel in vars(module).values()
        if isinstance(kernel, Dispatcher) and kernel.__module__ == name
    }


def values_of(records: Sequence[Record], kind: type[Record]) -> list[bytes | None]:
    return [encode_record(record) for record in records if isinstance(record, kind)]


def read(topic: str, values: Sequence[bytes | None], now: int) -> list[LogRecord]:
    return [LogRecord(topic, 0, i, now, None, value) for i, value in enumerate(values)]


class Worker:
    """A worker's way from bytes to alerts, as far as it is compiled."""

    def __init__(self, detection: Detection) -> None:
        self.detection = detection
        self.names = [MENTIONS, TICKS]
        self.engine: Engine = detection.engine(self.names)
        self.scanner, self.resolver = TickScanner(), BatchResolver(detection.lexicon)
        self.offset = 0
        self.alerts: list[Alert] = []

    def take(self, records: Sequence[Record], odd: Sequence[bytes | None], now: int) -> None:
        self.offset += 100
        trades = read(TICKS, [*values_of(records, Tick), *odd], now)
        columns = self.scanner.decode(TICKS, trades, -1).columns if trades else None
        self.alerts += self.engine.push(TICKS, columns, self.offset, now).alerts
        posts = read(MENTIONS, [*values_of(records, Mention), *odd], now)
        if not posts:
            self.alerts += self.engine.push(MENTIONS, None, self.offset, now).alerts
            return
        slab = Slab.of(posts)
        for dealt in deal(resolve_slab(slab, -1, self.resolver), slab.offsets, 2):
            raw = pack_columns(
                *dealt, topic=MENTIONS, partition=0, from_offset=0, through_offset=99,
                through_log_ms=now, log_start_ms=now, lexicon="",
            )  # fmt: skip
            for after in (-1, 3):
                batch, self.offset = decode_batch(raw), self.offset + 1
                columns = unpack_batch(batch, after) if batch.ids else None
                self.alerts += self.engine.push(MENTIONS, columns, self.offset, now).alerts

    def begin_anew(self) -> None:
        state, self.engine = self.engine.snapshot(), self.detection.engine(self.names)
        self.engine.restore(state)


def child() -> None:
    """Print which kernels are compiled after the warm-up, and how many alerts there were."""
    detection = Detection(SETTINGS, load_default_model(), LEXICON)
    warm_up(detection, lambda _: None)
    before = kinds_compiled()
    worker = Worker(detection)
    worker.begin_anew()
    worker.take([Tick("first", T0, TOKENS[0], "0.01", 500, "buy", "w")], [], T0)
    worker.take([], [], T0 + 20_000)
    worker.begin_anew()
    for n in range(1, 30):
        now = T0 + 20_000 * n
        worker.take(crowd(n, now), ODD if n % 2 else [], now)
        if n % 10 == 5:
            worker.begin_anew()
    late = {name for name, kinds in kinds_compiled().items() if kinds > before.get(name, 0)}
    print(len(worker.alerts) > 0, sorted(late))


def test_nothing_is_compiled_after_the_warm_up() -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("NUMBA_DISABLE_JIT", None)
    code = "from tests.integration.test_warm_up import child; child()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True []"
