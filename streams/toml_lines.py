"""On which line of a TOML file each setting stands: what the parser of the library does not say."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any


def lines_of(text: str) -> dict[str, int]:
    r"""Dotted setting to its line, counted from 1; items of a list of tables by their number.

    Each statement is the fewest lines that are TOML by themselves, so that texts, lists and
    comments of any form are told apart by the parser alone. ``text`` must be TOML.

    >>> lines_of('data_dir = "d"\n\n[http]\nport = 1\n[[webhooks]]\nname = "desk"\n')
    {'data_dir': 1, 'http': 3, 'http.port': 4, 'webhooks': 5, 'webhooks.0': 5, 'webhooks.0.name': 6}
    """
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for line, statement, parsed in _statements(text):
        if statement.lstrip().startswith("["):
            table, many = _header(parsed, counts)
            if many:
                name = table
                counts[name] = counts.get(name, -1) + 1
                found.setdefault(name, line)
                table = f"{name}.{counts[name]}"
            found.setdefault(table, line)
        else:
            for name in _names(parsed):
                found.setdefault(f"{table}.{name}" if table else name, line)
    return found


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    begun, held = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        if not held:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            begun = number
        held += f"{line}\n"
        try:
            parsed = tomllib.loads(held)
        except tomllib.TOMLDecodeError:
            continue  # a list or text that goes on
        yield begun, held, parsed
        held = ""


def _header(parsed: Mapping[str, Any], counts: Mapping[str, int]) -> tuple[str, bool]:
    """The table that a header opens, below the newest item of each list; whether it is a list's."""
    name, inner = "", parsed
    while inner:
        key, value = next(iter(inner.items()))
        name = f"{name}.{key}" if name else key
        if isinstance(value, list):
            return name, True
        if name in counts:
            name = f"{name}.{counts[name]}"
        inner = value
    return name, False


def _names(values: Mapping[str, Any], at: str = "") -> Iterator[str]:
    for key, value in values.items():
        name = f"{at}{key}"
        yield name
        if isinstance(value, Mapping):
            yield from _names(value, f"{name}.")
        elif isinstance(value, list):
            for i, item in enumerate(value):
                if isinstance(item, Mapping):
                    yield f"{name}.{i}"
                    yield from _names(item, f"{name}.{i}.")
