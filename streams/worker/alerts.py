"""Alerts and scores as the lines of JSON that topics and files hold."""

from __future__ import annotations

from math import isnan
from typing import Final

import msgspec

from detectors.kernels.episodes import NO_LOGIT
from detectors.layout import FEATURES
from detectors.outputs import ScoreRows
from schemas.errors import StateError
from schemas.records import Alert, Score
from schemas.topics import SCORES
from streams.log.base import Item, Log

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Alert)
_SCORES_PER_APPEND: Final = 1_000


def encode_alert(alert: Alert) -> bytes:
    """One line of JSON, without the line's end."""
    return _ENCODER.encode(alert)


def decode_alert(raw: bytes) -> Alert:
    """Undo ``encode_alert``; StateError where it is no alert."""
    try:
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"not an alert: {error}"
        raise StateError(msg) from None


class ScoreWriter:
    """Appends score rows to ``scores.v1``; after a crash the last ones are there again.

    Parameters
    ----------
    log : where the topic is.
    fingerprint : of the engine that made them.
    """

    def __init__(self, log: Log, fingerprint: str) -> None:
        self._log = log
        self._fingerprint = fingerprint

    async def __call__(self, partition: int, rows: ScoreRows) -> None:
        """Write the rows of one detector partition; they are durable on return."""
        items = [
            Item(score.token.encode(), _ENCODER.encode(score))
            for score in scores_of(rows, self._fingerprint)
        ]
        for first in range(0, len(items), _SCORES_PER_APPEND):
            chunk = items[first : first + _SCORES_PER_APPEND]
            await self._log.append(SCORES, partition, chunk)


def scores_of(rows: ScoreRows, fingerprint: str) -> list[Score]:
    """Score rows as records; what is unknown is None."""
    return [
        Score(
            token,
            int(rows.ts_bar_end_ms[i]),
            logit if logit != NO_LOGIT else None,
            {
                name: None if isnan(value) else value
                for name, value in zip(FEATURES, rows.features[i].tolist(), strict=True)
            },
            fingerprint,
        )
        for i, (token, logit) in enumerate(zip(rows.token, rows.logit_micro.tolist(), strict=True))
    ]
