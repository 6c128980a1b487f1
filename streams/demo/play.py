"""Plays the scenario through the detectors, on a terminal or a pipe, and judges the alerts."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from typing import Final, NoReturn

import msgspec
from rich.console import Console

from detectors.engine import Engine
from detectors.model import Model
from detectors.settings import EngineSettings
from schemas.records import Alert, Record
from streams.demo.board import Board
from streams.demo.report import NEXT, as_json, false_alarms, lines, table
from streams.demo.screen import PipeConsole, PlainScreen, Screen, TerminalScreen
from streams.demo.stage import Open, Stage, embedded_stage
from streams.logs import configure_logs
from streams.model_store import load_default_model
from streams.numba_cache import COMPILING, kernels_are_cached
from streams.scenario.anchors import LOG_START_MS, ORDINARY
from streams.scenario.coins import ALL, lexicon_text
from streams.scenario.emit import Tape, heartbeats, records
from streams.scenario.judge import Judgement, judge
from streams.scenario.rednote import HEARTBEAT_EVERY_MS, tape_of, true_prices, wave_symbols
from streams.scenario.variation import Variation
from streams.scenario.waves import wave_columns, wave_log_start_ms

CHUNK: Final = 2_000
AHEAD: Final = 4
"""Chunks fed before the first of them has been worked on."""
WATCHABLE_S: Final = 45.0
"""A terminal gets the wave no faster than this, so that it can be watched."""


def play_demo(variation: Variation, *, as_json: bool, kafka: bool = False) -> int:
    """Play, and report. 0 where MOMO was found, 1 where it was not.

    With ``kafka`` on a broker of its own; NoBrokerError says what to install where that cannot be.
    """
    console = PipeConsole(stderr=as_json)
    with ExitStack() as ending:
        opening = _kafka(console, ending) if kafka else None
        configure_logs("error", "text")
        model = load_default_model()
        opening = opening or embedded_stage(model)
        _warm_up(console, model)
        with console.status("drawing nine days of January 2025 ..."):
            tape = tape_of(variation)
        board = _board(tape, model)
        watched = console.is_terminal and not console.is_dumb_terminal
        screen: Screen = TerminalScreen(console, board) if watched else PlainScreen(console, board)
        began = time.monotonic()
        source = records(tape, HEARTBEAT_EVERY_MS)
        with screen:
            asyncio.run(play(opening, source, board, screen, WATCHABLE_S if watched else 0.0))
        seconds = time.monotonic() - began
    verdict = judge(board.alerts, true_prices(tape), wave_symbols(), ORDINARY)
    _report(console, variation, verdict, board, seconds, to_json=as_json)
    return 0 if verdict.coins[0].candidate_ts_ms is not None else 1


def _kafka(console: Console, ending: ExitStack) -> Open:
    """A broker, for the stage on it; ``ending`` ends it."""
    from streams.demo.kafka_stage import kafka_stage
    from streams.demo.processes import broker_libs, demo_broker, ended_like_interrupted

    def say(text: str) -> None:
        console.print(text, style="dim", highlight=False)

    libs = broker_libs(say)
    configure_logs("error", "text")
    ending.enter_context(ended_like_interrupted())
    bootstrap, folder = ending.enter_context(demo_broker(libs, say))
    return kafka_stage(bootstrap, folder, lexicon_text().encode(), LOG_START_MS, say)


def _board(tape: Tape, model: Model) -> Board:
    total = len(tape.posts) + len(tape.trades) + len(tape.others)
    total += sum(1 for _ in heartbeats(tape, HEARTBEAT_EVERY_MS))
    return Board({coin.token: coin.symbol for coin in ALL}, model.probability, total)


def _warm_up(console: Console, model: Model) -> None:
    """Have the kernels compiled before the clock starts, and say so where that takes long."""
    what = "loading the detector ..."
    if not kernels_are_cached():
        what = f"{COMPILING} ..."
        if not console.is_terminal:
            console.print(what)
    with console.status(what):
        columns, _ = wave_columns(1)
        engine = Engine(EngineSettings(), model, ["log"], fingerprint="warm-up", scores="gated")
        engine.push("log", columns, len(columns), int(columns.ts_log_ms[-1]), wave_log_start_ms(1))


async def play(
    opening: Open, source: Iterator[Record], board: Board, screen: Screen, least_s: float
) -> None:
    """Play records on a stage, not faster than ``least_s`` in all.

    Raises OSError once the screen cannot be written.
    """
    broken: list[OSError] = []

    def alerted(alert: Alert) -> None:
        if not board.alerted(alert) or broken:
            return
        try:
            screen.alerted(alert)
        except OSError as error:
            broken.append(error)  # inside the detectors it would be a crash of theirs

    def draw(stage: Stage) -> None:
        if broken:
            raise broken[0]
        board.advance(stage.closed_ms())
        screen.draw()

    async with opening(board, alerted) as stage:
        drawing = asyncio.create_task(_draw(lambda: draw(stage)))
        feeding = asyncio.create_task(_feed(stage, source, board, least_s))
        tasks = {drawing, feeding}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await (drawing if drawing.done() else feeding)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        draw(stage)


async def _feed(stage: Stage, source: Iterator[Record], board: Board, least_s: float) -> None:
    """Append chunk by chunk, a few ahead of the detector, and not faster than can be watched.

    Ends when all of it has been worked on.
    """
    began = time.monotonic()
    under_way: deque[int] = deque()
    while chunk := await asyncio.to_thread(lambda: list(islice(source, CHUNK))):
        while len(under_way) >= AHEAD:
            if stage.closed_ms() >= under_way[0]:
                under_way.popleft()
            else:
                await stage.watch(asyncio.sleep(0.005))
        wait = board.fed / board.total * least_s - (time.monotonic() - began)
        if wait > 0:
            await stage.watch(asyncio.sleep(wait))
        await stage.append(chunk)
        board.saw(chunk)
        # Bars close a little behind the log: lateness, and the bar itself.
        under_way.append((chunk[-1].ts_log_ms or 0) - 10_000)
    await stage.finish()


async def _draw(draw: Callable[[], None]) -> NoReturn:
    while True:
        draw()
        await asyncio.sleep(0.12)


def _report(
    console: Console,
    variation: Variation,
    verdict: Judgement,
    board: Board,
    seconds: float,
    *,
    to_json: bool,
) -> None:
    if to_json:
        extra = {
            "variation": asdict(variation),
            "records": board.fed,
            "seconds": round(seconds, 1),
            "alerts": len(board.alerts),
        }
        sys.stdout.buffer.write(msgspec.json.encode(as_json(verdict, extra)) + b"\n")
        return
    console.print()
    if console.is_terminal:
        console.print(table(verdict))
    else:
        for line in lines(verdict):
            console.print(line, soft_wrap=True)
    console.print(false_alarms(verdict), highlight=False, soft_wrap=True)
    rate = board.fed / max(seconds, 1e-9)
    console.print(
        f"{board.fed:,} records in {seconds:.0f} s ({rate:,.0f} a second), "
        f"{len(board.alerts)} alerts. Anchors are published facts; all between them is synthetic.",
        highlight=False,
        soft_wrap=True,
    )
    console.print("\nnext:")
    for line in NEXT:
        console.print(f"  {line}", highlight=False, soft_wrap=True)
