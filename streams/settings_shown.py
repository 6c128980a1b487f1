"""Settings as they may be shown: one row a value, with where it came from, secrets masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from streams.settings import Settings
from streams.settings_load import Origins

if TYPE_CHECKING:
    from streams.sinks.webhook.settings import EndpointSettings

MASK: Final = "***"
DEFAULT: Final = "default"


def shown_rows(settings: Settings, origins: Origins) -> dict[str, dict[str, Any]]:
    """Dotted setting to ``{"value": ..., "origin": ...}``, in the order of their declaration.

    A webhook's settings go by its name, ``webhooks.desk.url``, its defaults included. Of its URL
    only scheme and host are shown. Raises ConfigError where an endpoint cannot be used.

    >>> from streams.settings import Settings
    >>> rows = shown_rows(Settings(), {"http.port": "--http-port"})
    >>> rows["http.port"], rows["log.level"]["origin"]
    ({'value': 8080, 'origin': '--http-port'}, 'default')
    """
    dump = settings.model_dump(mode="json")
    given = dump.pop("webhooks")
    rows = {
        name: {"value": _masked(value), "origin": origins.get(name, DEFAULT)}
        for name, value in _flat(dump)
    }
    for i, endpoint in enumerate(settings.endpoints()):
        for key, value in _endpoint(endpoint):
            at = origins.get("webhooks", DEFAULT)
            if key not in given[i] and not (key == "secrets" and "secret" in given[i]):
                at = DEFAULT
            else:
                names = (f"webhooks.{i}.{key}", f"webhooks.{i}.secret")
                at = next((origins[name] for name in names if name in origins), at)
            rows[f"webhooks.{endpoint.name}.{key}"] = {"value": value, "origin": at}
    return rows


def _masked(value: Any) -> Any:
    # pydantic masks a SecretStr with ten stars, and leaves an empty one empty
    return MASK if isinstance(value, str) and value and not value.strip("*") else value


def _endpoint(endpoint: EndpointSettings) -> Iterator[tuple[str, Any]]:
    for field in fields(endpoint):
        value = getattr(endpoint, field.name)
        match field.name:
            case "name":
                continue
            case "url":
                parts = urlsplit(value)
                value = f"{parts.scheme}://{parts.netloc}/{MASK}"
            case "secrets":
                value = [MASK] * len(value)
            case "kinds":
                value = list(value)
        yield field.name, value


def _flat(values: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", value
