"""Engines for what is in force, with or without a control topic."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from detectors.engine import Engine
from detectors.outputs import Outputs
from schemas.topics import CONTROL, RESOLVED, TICKS, TOKEN_INFO
from streams.control.decisions import CONTROL_INPUT
from streams.worker.control import ControlReader
from streams.worker.inputs import input_names

MakeEngine = Callable[[Sequence[str]], Engine]
"""An engine without state, for these inputs."""


class Making:
    """Makes engines, and steers them by the control topic.

    Parameters
    ----------
    make : what always holds where there is no ``control``.
    control : what is in force, and from when.
    """

    def __init__(self, make: MakeEngine, control: ControlReader | None) -> None:
        self.make = make
        self.control = control

    def inputs(self, partition: int, mention_partitions: int) -> dict[str, list[str]]:
        """Inputs of a detector partition, by the topic they are read from."""
        *mentions, ticks, infos = input_names(partition, mention_partitions)
        by_topic = {RESOLVED: mentions, TICKS: [ticks], TOKEN_INFO: [infos]}
        return by_topic if self.control is None else by_topic | {CONTROL: [CONTROL_INPUT]}

    def blank(self, names: Sequence[str], closed_ms: int) -> Engine:
        """An engine without state, by what is in force where bars are closed up to a time."""
        if self.control is None:
            return self.make(names)
        return self.control.decisions.at(closed_ms).engine(names)

    def history_ms(self, engine: Engine) -> int:
        """How far back the log shows in what is decided, by all that is ever in force."""
        if self.control is None:
            return engine.settings.history_ms
        return self.control.decisions.history_ms

    def follow(self, engine: Engine) -> Engine:
        """The engine, told of the changes that are ahead of its state."""
        if self.control is not None:
            engine.schedule(self.control.decisions.changes())
        return engine

    async def steered(self, engine: Engine) -> list[Outputs]:
        """What follows from the control topic, which is read anew where it holds bars open."""
        if self.control is None:
            return []
        if engine.held_by() == CONTROL_INPUT:
            await self.control.read()
        return self.control.steer(engine)

    async def catch_up(self) -> None:
        """Read the control topic to its end."""
        if self.control is not None:
            await self.control.read()


def all_names(inputs: dict[str, list[str]]) -> list[str]:
    """The names of all topics.

    >>> all_names({"a": ["a/0", "a/1"], "b": ["b/3"]})
    ['a/0', 'a/1', 'b/3']
    """
    return [name for names in inputs.values() for name in names]
