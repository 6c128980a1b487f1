"""What decides alerts: settings, model and lexicon together, and the hash that names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from detectors.engine import Engine, ScoreMode
from detectors.model import Model
from detectors.resolve.lexicon import Lexicon
from detectors.settings import EngineSettings
from streams.fingerprint import fingerprint, fingerprint_parts


@dataclass(frozen=True)
class Detection:
    """What decides alerts, and its fingerprint."""

    settings: EngineSettings
    model: Model
    lexicon: Lexicon
    scores: ScoreMode = "alerts"

    @property
    def parts(self) -> dict[str, str]:
        """The parts of the fingerprint."""
        return fingerprint_parts(self.settings, self.model, self.lexicon.sha256)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all of it, which alerts and checkpoints carry."""
        return fingerprint(self.settings, self.model, self.lexicon.sha256)

    def engine(self, inputs: Sequence[str]) -> Engine:
        """Give a fresh engine for these inputs."""
        return Engine(
            self.settings,
            self.model,
            inputs,
            fingerprint=self.fingerprint,
            symbols=self.lexicon.symbols(),
            scores=self.scores,
        )
