"""Compiles or loads the kernels before the clock of a run starts, and says so where it takes long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from detectors.alerts import AlertWriter
from detectors.batch.resolver import BatchResolver
from detectors.columns import columns_of
from detectors.layout import N_ALERT_INTS, N_BASELINES, N_FEATURES
from detectors.resolved import decode_batch, pack_columns, unpack_batch
from schemas.decode import encode_record
from schemas.records import Mention, Tick
from schemas.topics import MENTIONS, TICKS
from streams.detection import Detection
from streams.log.base import LogRecord
from streams.log.slab import Slab
from streams.numba_cache import COMPILING, kernels_are_cached
from streams.worker.resolving import deal, resolve_slab
from streams.worker.scanning import FEW, TickScanner

_T0: Final = 1_736_812_800_000
_TOKEN: Final = "eip155:1/erc20:0x" + "0" * 40


def warm_up(detection: Detection, say: Callable[[str], None]) -> None:
    """Take a post and trades all the way of a live worker, through an engine of its own.

    What is compiled only when the first batch comes would hold a worker up for seconds, in which
    it handles nothing.
    """
    if not kernels_are_cached():
        say(COMPILING)
    names = ["posts", "trades"]
    engine = detection.engine(names)
    tick = Tick("t", _T0, _TOKEN, 1, 1, "buy", "w")
    engine.push("trades", columns_of([tick], [_T0]), 0, _T0, _T0)
    posts = [Mention("m", _T0, "x", "a", "$MOMO"), Mention("n", _T0, "x", "a", "", (_TOKEN,))]
    slab = Slab.of(
        [LogRecord(MENTIONS, 0, n, _T0, None, encode_record(post)) for n, post in enumerate(posts)]
    )
    found = resolve_slab(slab, -1, BatchResolver(detection.lexicon))
    (dealt,) = deal(found, slab.offsets, 1)
    raw = pack_columns(
        *dealt,
        topic=MENTIONS,
        partition=0,
        from_offset=0,
        through_offset=1,
        through_log_ms=_T0,
        log_start_ms=_T0,
        lexicon="",
    )
    engine.push("posts", unpack_batch(decode_batch(raw), -1), 1, _T0, _T0)
    trades = [LogRecord(TICKS, 0, 0, _T0, None, encode_record(tick))] * FEW
    engine.push("trades", TickScanner().decode(TICKS, trades, _T0).columns, 1, _T0)
    for name in names:
        engine.push(name, None, 9, _T0 + 60_000)
    detection.engine(names).restore(engine.snapshot())
    _write_alert(detection)


def _write_alert(detection: Detection) -> None:
    """Write an alert of nothing: the first that matters does not wait for what explains it."""
    ints, features = np.zeros((1, N_ALERT_INTS), np.int64), np.zeros((1, N_FEATURES))
    means, deviations = np.zeros((2, 1, N_BASELINES))
    writer = AlertWriter(detection.settings, detection.model, detection.fingerprint, {})
    writer.write(1, lambda _: _TOKEN, ints, features, means, deviations, lambda _: None)
