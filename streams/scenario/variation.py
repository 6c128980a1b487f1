"""Variations of the RedNote scenario: the same story told with other numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Literal, get_args

from schemas.errors import UserError
from schemas.platforms import PLATFORMS

Shape = Literal["steady", "steps", "late", "early", "double"]
SHAPES: Final[tuple[Shape, ...]] = get_args(Shape)


@dataclass(frozen=True)
class Variation:
    """What may differ from one telling to the next.

    Parameters
    ----------
    seed : of every random draw.
    shape : how the price climbs: evenly, in steps, late, early, or twice.
    delay_s : posts are observed that many seconds after they were written, as by polling.
    leading_platform : where the talk begins; the others follow minutes later.
    volume_divisor : posts and trades are divided by it.

    Examples
    --------
    >>> Variation(seed=3, shape="late").delay_s
    0
    """

    seed: int = 1
    shape: Shape = "steady"
    delay_s: int = 0
    leading_platform: str = "xiaohongshu"
    volume_divisor: float = 1.0

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise UserError(
                f"no shape of the scenario is called {self.shape!r}",
                f"write one of {', '.join(SHAPES)}",
            )
        if self.leading_platform not in PLATFORMS:
            raise UserError(
                f"no platform is called {self.leading_platform!r}",
                f"write one of {', '.join(PLATFORMS)}",
            )
        if not 0 <= self.delay_s <= 3_600:
            raise UserError(f"a delay of {self.delay_s} s", "write 0 to 3600 seconds")
        if not 1.0 <= self.volume_divisor <= 100.0:
            raise UserError(f"volumes divided by {self.volume_divisor}", "write 1 to 100")
        if self.seed < 0:
            raise UserError(f"a seed of {self.seed}", "write 0 or more")


def published_variations() -> tuple[Variation, ...]:
    """The twenty variations that were written down before any detector was tuned.

    >>> len(published_variations())
    20
    """
    text = files("streams.scenario").joinpath("variations.json").read_text("utf-8")
    return tuple(Variation(**row) for row in json.loads(text)["variations"])
