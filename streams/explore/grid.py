"""Settings to try, from what was written: each value of one with each of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import product
from typing import Any, Final

from detectors.settings import EngineSettings
from schemas.errors import ConfigError, UserError
from streams.settings import did_you_mean

MOST: Final = 100
FIXED: Final = ("mentions", "ticks")
"""Facts about the log, which are no matter of taste."""
_KINDS: Final = {
    field.name: type(getattr(EngineSettings(), field.name))
    for field in fields(EngineSettings)
    if field.name not in FIXED
}


def grid(base: EngineSettings, options: Sequence[str]) -> tuple[list[str], list[EngineSettings]]:
    """Names that vary, and the settings: every combination of ``name=a,b,c`` options on ``base``.

    Raises UserError on an unknown name, a value that is none, or more than 100 combinations.

    >>> names, found = grid(EngineSettings(), ["candidate_bars=1,2", "min_authors_15m=5,10,20"])
    >>> names, len(found), found[0].candidate_bars, found[-1].min_authors_15m
    (['candidate_bars', 'min_authors_15m'], 6, 1, 20)
    """
    if not options:
        raise UserError("nothing to vary", "add --set name=a,b,c")
    values: dict[str, list[Any]] = {}
    for option in options:
        name, found = _read(option)
        if name in values:
            raise UserError(f"{name} is set twice", "write all of its values in one --set")
        values[name] = found
    combinations = list(product(*values.values()))
    if len(combinations) > MOST:
        raise UserError(
            f"these are {len(combinations):,} settings", f"write {MOST} combinations at most"
        )
    settings = []
    for combination in combinations:
        chosen = dict(zip(values, combination, strict=True))
        try:
            settings.append(replace(base, **chosen))
        except ConfigError as error:
            raise UserError(error.problem, error.remedy) from None
    return list(values), settings


def _read(option: str) -> tuple[str, list[Any]]:
    name, equals, text = option.partition("=")
    name = name.strip().removeprefix("engine.")
    if not equals or not text.strip():
        raise UserError(f"--set is {option[:60]!r}", "write name=a,b,c")
    if name in FIXED:
        raise UserError(f"{name} tells what the log holds", "set it in goldendog.toml, not here")
    if name not in _KINDS:
        remedy = did_you_mean(name, list(_KINDS))
        every = f"; settings are {', '.join(_KINDS)}" if remedy.startswith("did") else ""
        raise UserError(f"no setting of the engine is called {name}", remedy + every)
    found = [_value(name, each.strip()) for each in text.split(",")]
    if len(set(found)) < len(found):
        raise UserError(f"a value of {name} is written twice", "write each once")
    return name, found


def _value(name: str, text: str) -> Any:
    kind = _KINDS[name]
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise UserError(f"{name} cannot be {text[:40]!r}", f"write {what}") from None
