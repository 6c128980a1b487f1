"""How far back a log must reach for a state to be rebuilt from it."""

from __future__ import annotations

from pathlib import Path

from detectors.model import blank_model
from detectors.resolve.lexicon import Lexicon
from detectors.settings import EngineSettings
from schemas.records import Control
from schemas.topics import CONTROL
from streams.control.decisions import Decisions
from streams.control.files import ControlFiles
from streams.detection import Detection
from streams.worker.control import ControlReader
from streams.worker.making import Making
from tests.helpers.memory_log import MemoryLog

T = 1_736_812_800_000


def test_history_is_that_of_all_that_is_in_force_while_the_log_is_read_anew() -> None:
    """An engine is made by what the run began with; trades may have ended since."""
    lexicon = Lexicon.parse('{"versions":[{"version":1,"effective_log_ms":0,"tokens":[]}]}')
    base = Detection(EngineSettings(), blank_model(), lexicon)
    decisions = Decisions(base, ControlFiles(Path("nowhere")))
    making = Making(base.engine, ControlReader(MemoryLog({CONTROL: 1}), decisions))
    engine = making.blank(["t"], 0)
    assert making.history_ms(engine) == 25 * 3_600_000
    decisions.hear(Control("c", T, T, "engine.ticks", "false"), T)
    assert making.blank(["t"], 0).settings.ticks
    assert making.history_ms(making.blank(["t"], 0)) == 170 * 3_600_000
    assert Making(base.engine, None).history_ms(engine) == 25 * 3_600_000
