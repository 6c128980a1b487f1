"""Whether the topics that a worker finds at its start can be worked on together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from schemas.errors import UserError
from schemas.topics import ALERTS, CHECKPOINTS, CONTROL, DEAD_LETTERS, RESOLVED, TICKS, TOKEN_INFO
from streams.log.base import Stamp
from streams.sources.places import DETECTOR_INPUTS

TOGETHER: Final = (TICKS, TOKEN_INFO, RESOLVED, ALERTS, CHECKPOINTS)
"""Topics whose partition p is the detector partition p's."""
WORKED_ON: Final = (*DETECTOR_INPUTS, RESOLVED, ALERTS, CHECKPOINTS, DEAD_LETTERS)


class Shape(Protocol):
    """What must be known of a topic."""

    @property
    def name(self) -> str:
        """Of the topic."""
        ...

    @property
    def partitions(self) -> int:
        """How many it has."""
        ...

    @property
    def stamp(self) -> Stamp:
        """Who stamps its records."""
        ...


def is_live(states: Sequence[Shape], more: Sequence[str] = ()) -> bool:
    """Whether the brokers stamp what comes in; False for topics of recordings.

    Parameters
    ----------
    states : goldendog's topics.
    more : further topics by detector partition that this worker writes, such as scores.

    Raises
    ------
    UserError : a topic is missing, those of one detector partition have not as many partitions
        each, or some raw inputs are stamped and some are not.
    """
    found = {state.name: state for state in states}
    if missing := [name for name in (*WORKED_ON, *more) if name not in found]:
        raise UserError(
            f"the broker has no topic {', '.join(missing)}",
            "create the topics with: goldendog topics create",
        )
    counts = {name: found[name].partitions for name in (*TOGETHER, *more)}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise UserError(
            f"topics by token must have equally many partitions, but {told}",
            "see `goldendog topics check` for the commands that mend it",
        )
    if found[CONTROL].partitions != 1:
        raise UserError(
            f"{CONTROL} has {found[CONTROL].partitions} partitions, and changes need one order",
            "delete it, and create it anew: goldendog topics create",
        )
    stamps = {name: found[name].stamp for name in DETECTOR_INPUTS}
    if len(set(stamps.values())) > 1:
        told = ", ".join(f"{name}: {stamp}" for name, stamp in stamps.items())
        raise UserError(
            f"some raw inputs are stamped by the broker (append) and some are not ({told})",
            "see `goldendog topics check` for the commands that mend it",
        )
    return set(stamps.values()) == {"append"}
