"""Reads settings from their three places, and says in one sentence what is wrong with them."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SettingsError

from schemas.errors import ConfigError
from streams.settings import ENV_PREFIX, NOT_SETTINGS, Settings, did_you_mean
from streams.toml_lines import lines_of

DEFAULT_FILE: Final = Path("goldendog.toml")
Origins = dict[str, str]
"""Dotted setting to where it came from: a file and line, a variable, or a flag.

Settings of a webhook go by its place in the list: ``webhooks.0.url``.
"""
_FLAGS: Final = {"http.port": "--http-port"}
"""Flags that are not named for the last part of their setting."""


def load_settings(
    config: Path | None = None, flags: Mapping[str, object] | None = None
) -> Settings:
    """Settings in force.

    Parameters
    ----------
    config : the file that ``--config`` names; else ``$GOLDENDOG_CONFIG``, else ``goldendog.toml``
        in the working folder, where there is one.
    flags : dotted settings that options set, such as ``{"http.port": 8080}``; None is unset.

    Raises
    ------
    ConfigError
        Names the file or variable, the setting, and what to write.
    """
    return load_with_origins(config, flags)[0]


def load_with_origins(
    config: Path | None = None, flags: Mapping[str, object] | None = None
) -> tuple[Settings, Origins]:
    """As ``load_settings``, and where each setting that is no default came from."""
    merged: dict[str, Any] = {}
    origins: Origins = {}
    path = config_path(config)
    if path is not None:
        values, lines = _read_toml(path)
        _merge(merged, values, lambda name: f"{path}:{_line_of(name, lines)}", origins)
    _merge(merged, _read_environment(), _variable_of, origins)
    for name, value in (flags or {}).items():
        if value is not None:
            _merge(merged, _nested(name, value), _flag_of, origins)
    try:
        return Settings.model_validate(merged), origins
    except ValidationError as error:
        raise _explained(error, origins) from None
    except ConfigError as error:
        named = re.search(r"engine\.\w+", error.problem)
        at = _origin_of(named[0] if named else "engine", origins)
        raise ConfigError(f"{at}{error.problem}", error.remedy) from None


def config_path(config: Path | None = None) -> Path | None:
    """The settings file in force: the one named, ``$GOLDENDOG_CONFIG``, or ``goldendog.toml``."""
    if config is not None:
        return config
    named = os.environ.get("GOLDENDOG_CONFIG")
    if named:
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _read_toml(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        text = path.read_text("utf-8")
        return tomllib.loads(text), lines_of(text)
    except FileNotFoundError:
        raise ConfigError(f"no such settings file: {path}", "name one that exists") from None
    except OSError as error:
        raise ConfigError(f"cannot read settings file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8", "save it as UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is no TOML: {error}", "write settings as in [http] and port = 8080"
        ) from None


def _read_environment() -> dict[str, Any]:
    known = {f"{ENV_PREFIX}{name.upper()}": name for name in Settings.model_fields}
    for variable in os.environ:
        upper = variable.upper()
        if not upper.startswith(ENV_PREFIX) or upper in NOT_SETTINGS:
            continue
        if upper.split("__", 1)[0] not in known:
            raise ConfigError(f"unknown variable {variable}", did_you_mean(upper, list(known)))
    try:
        return EnvSettingsSource(Settings)()
    except SettingsError as error:
        name = next((n for n in Settings.model_fields if f'"{n}"' in str(error)), "a setting")
        raise ConfigError(
            f"{ENV_PREFIX}{name.upper()} is no JSON",
            f"write JSON, or one variable for each value, such as {ENV_PREFIX}HTTP__PORT=8080",
        ) from None


def _nested(name: str, value: object) -> dict[str, Any]:
    for part in reversed(name.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def _merge(
    into: dict[str, Any],
    new: Mapping[str, Any],
    origin_of: Callable[[str], str],
    origins: Origins,
    at: str = "",
) -> None:
    for key, value in new.items():
        name = f"{at}{key}"
        if isinstance(value, Mapping):
            inner = into.get(key)
            into[key] = inner = inner if isinstance(inner, dict) else {}
            _merge(inner, value, origin_of, origins, f"{name}.")
            continue
        for beneath in [known for known in origins if known.startswith(f"{name}.")]:
            del origins[beneath]  # of the list that this one replaces
        into[key] = value
        origins[name] = origin_of(name)
        if isinstance(value, list | tuple):
            for i, item in enumerate(value):
                for inner_key in item if isinstance(item, Mapping) else ():
                    each = f"{name}.{i}.{inner_key}"
                    origins[each] = origin_of(each)


def _line_of(name: str, lines: Mapping[str, int]) -> int:
    while name not in lines and "." in name:
        name = name.rpartition(".")[0]
    return lines.get(name, 1)


def _variable_of(name: str) -> str:
    parts = name.split(".")
    exact = f"{ENV_PREFIX}{'__'.join(parts).upper()}"
    set_here = {variable.upper() for variable in os.environ}
    while exact not in set_here and len(parts) > 1:  # JSON in the variable of a whole section
        parts.pop()
        exact = f"{ENV_PREFIX}{'__'.join(parts).upper()}"
    return exact


def _flag_of(name: str) -> str:
    return _FLAGS.get(name, f"--{name.rpartition('.')[2].replace('_', '-')}")


def _origin_of(name: str, origins: Origins) -> str:
    """``file: `` for messages; of the setting itself, or of anything beneath it."""
    for known, origin in origins.items():
        if known == name or known.startswith(f"{name}."):
            return f"{origin}: "
    return ""


def _explained(error: ValidationError, origins: Origins) -> ConfigError:
    details = error.errors(include_url=False, include_context=True)
    first = details[0]
    name = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    at = _origin_of(name, origins)
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        section = first["loc"][:-1]
        siblings = _names_in(section)
        return ConfigError(f"{at}unknown setting {name}{more}", did_you_mean(name, siblings))
    shown = "***" if _is_secret(name) else repr(first["input"])[:60]
    return ConfigError(f"{at}{name} is {shown}{more}", _remedy(first))


def _names_in(section: tuple[int | str, ...]) -> list[str]:
    names = Settings.model_fields
    if not section:
        return list(names)
    default = getattr(Settings.model_construct(), str(section[0]), None)
    fields = getattr(type(default), "model_fields", {})
    return [f"{section[0]}.{name}" for name in fields]


def _is_secret(name: str) -> bool:
    return name.startswith("webhooks") or any(s in name for s in ("token", "password", "secret"))


def _remedy(detail: ErrorDetails) -> str:
    limits = detail.get("ctx", {})
    match detail["type"]:
        case "int_parsing" | "int_type" | "int_from_float":
            return "write a whole number"
        case "float_parsing" | "float_type":
            return "write a number"
        case "bool_parsing" | "bool_type":
            return "write true or false"
        case "literal_error":
            return f"write one of {limits['expected']}"
        case "greater_than_equal":
            return f"write {limits['ge']} or more"
        case "less_than_equal":
            return f"write {limits['le']} or less"
        case "string_pattern_mismatch":
            return "use letters, digits, dots, dashes and underscores"
        case "string_type" | "path_type":
            return "write a text in quotes"
        case "model_type" | "dataclass_type" | "dict_type" | "model_attributes_type":
            return "write it as a table, such as [http]"
        case "tuple_type" | "list_type":
            return "write it as a list, such as [[webhooks]]"
        case _:
            return detail["msg"][:1].lower() + detail["msg"][1:]
