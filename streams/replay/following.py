"""Control records in what is replayed: they change what names tokens and what decides alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from detectors.batch.resolver import BatchResolver
from detectors.schedule import Change
from schemas.errors import RecordError
from schemas.records import Control
from streams.control.decisions import Decisions

Heard = tuple[int, Control]
"""A control record and its clamped log time."""
Refused = tuple[int, Control, RecordError]


class Names(Protocol):
    """What reading records needs: their tokens' names, and somebody to tell of control records."""

    @property
    def resolver(self) -> BatchResolver:
        """What names tokens, by what was heard so far."""

    def hear(self, heard: Sequence[Heard]) -> list[Refused]:
        """Take control records, in log order; those that cannot be used."""


@dataclass(frozen=True)
class Fixed:
    """Names tokens by one lexicon, whatever control records say."""

    resolver: BatchResolver

    def hear(self, heard: Sequence[Heard]) -> list[Refused]:  # noqa: ARG002 the protocol's
        """Take nothing."""
        return []


class Following:
    """Follows control records, as workers do.

    Parameters
    ----------
    decisions : what is in force, and from when.
    """

    def __init__(self, decisions: Decisions) -> None:
        self.decisions = decisions
        self._lexicon = decisions.latest.lexicon
        self._resolver = BatchResolver(self._lexicon)
        self._told = 0

    @property
    def resolver(self) -> BatchResolver:
        """What names tokens, by what was heard so far."""
        return self._resolver

    def hear(self, heard: Sequence[Heard]) -> list[Refused]:
        """Take control records, in log order. Raises UserError where a file they name is missing."""
        refused: list[Refused] = []
        for log_ms, control in heard:
            try:
                self.decisions.hear(control, log_ms)
            except RecordError as error:
                refused.append((log_ms, control, error))
        lexicon = self.decisions.latest.lexicon
        if lexicon is not self._lexicon:
            self._lexicon, self._resolver = lexicon, BatchResolver(lexicon)
        return refused

    def news(self) -> list[Change] | None:
        """All changes, where some are new since this was last asked; else None."""
        if self._told == self.decisions.version:
            return None
        self._told = self.decisions.version
        return self.decisions.changes()

    def as_dicts(self) -> list[dict[str, Any]]:
        """What came into force and when, for a summary."""
        return [
            {
                "record": step.record,
                "in_force_from_ms": step.from_ms,
                "setting": step.setting,
                "value": step.value,
            }
            for step in self.decisions.steps
        ]
