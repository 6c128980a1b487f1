"""Reads settings from their three places, and says in one sentence what is wrong with them."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SettingsError

from schemas.errors import ConfigError
from streams.settings import ENV_PREFIX, NOT_SETTINGS, Settings, did_you_mean

DEFAULT_FILE: Final = Path("goldendog.toml")
Origins = dict[str, str]
"""Dotted setting to where it came from: a file's name, a variable, or a flag."""


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
    path = _config_path(config)
    if path is not None:
        _merge(merged, _read_toml(path), str(path), origins)
    _merge(merged, _read_environment(), None, origins)
    for name, value in (flags or {}).items():
        if value is not None:
            _merge(merged, _nested(name, value), _flag_of(name), origins)
    try:
        return Settings.model_validate(merged), origins
    except ValidationError as error:
        raise _explained(error, origins) from None
    except ConfigError as error:
        named = re.search(r"engine\.\w+", error.problem)
        at = _origin_of(named[0] if named else "engine", origins)
        raise ConfigError(f"{at}{error.problem}", error.remedy) from None


def _config_path(config: Path | None) -> Path | None:
    if config is not None:
        return config
    named = os.environ.get("GOLDENDOG_CONFIG")
    if named:
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
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
    into: dict[str, Any], new: Mapping[str, Any], origin: str | None, origins: Origins, at: str = ""
) -> None:
    for key, value in new.items():
        name = f"{at}{key}"
        if isinstance(value, Mapping):
            inner = into.get(key)
            into[key] = inner = inner if isinstance(inner, dict) else {}
            _merge(inner, value, origin, origins, f"{name}.")
        else:
            into[key] = value
            origins[name] = origin or f"{ENV_PREFIX}{name.upper().replace('.', '__')}"


def _flag_of(name: str) -> str:
    return f"--{name.rsplit('.', 1)[-1].replace('_', '-')}"


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
        case "string_type" | "path_type":
            return "write a text in quotes"
        case "model_type" | "dataclass_type" | "dict_type" | "model_attributes_type":
            return "write it as a table, such as [http]"
        case "tuple_type" | "list_type":
            return "write it as a list, such as [[webhooks]]"
        case _:
            return detail["msg"][:1].lower() + detail["msg"][1:]
