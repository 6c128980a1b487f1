"""What an endpoint wants: settings, checked once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, get_args

from schemas.errors import ConfigError
from schemas.records import AlertKind
from streams.sinks.webhook.guard import check_url
from streams.sinks.webhook.secret import WebhookSecret

KINDS: Final[tuple[AlertKind, ...]] = get_args(AlertKind)
MAX_AGE_S: Final = 86_400
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")


@dataclass(frozen=True)
class EndpointSettings:
    """One receiver of alerts.

    Parameters
    ----------
    name : short name, the metrics' label and the outbox's key: keep it when the URL changes.
    url : where to POST; https, unless ``allow_private``. Shown nowhere: a path may be a secret.
    secrets : one, or several while rotating; each attempt is signed with all.
    max_per_day : at most this many candidates a UTC day; the bar rises as they are spent.
    max_age_s : an alert older than this is never sent, in seconds.
    min_probability : candidates below it are never sent.
    kinds : alert kinds wanted. Follow-ups come only for episodes whose candidate was sent, so
        ``candidate`` is always among them.
    allow_private : permit http, any port and private addresses: for development.
    deliver_replayed : send alerts of recorded or accelerated runs too; their age counts from when
        they were raised here.
    timeout_s : for one attempt, connecting included.

    Examples
    --------
    >>> e = EndpointSettings.of(
    ...     {
    ...         "name": "desk",
    ...         "url": "https://example.com/hook/s3cret",
    ...         "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ...     }
    ... )
    >>> e.max_per_day, e.max_age_s
    (20, 900)
    >>> "s3cret" in repr(e)
    False
    """

    name: str
    url: str = field(repr=False)
    secrets: tuple[WebhookSecret, ...]
    max_per_day: int = 20
    max_age_s: float = 900
    min_probability: float = 0.0
    kinds: tuple[AlertKind, ...] = KINDS
    allow_private: bool = False
    deliver_replayed: bool = False
    timeout_s: float = 15

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ConfigError(
                f"endpoint name {self.name[:40]!r}", "use 1 to 32 of a-z, 0-9, - and _"
            )
        at = f"endpoint {self.name}: "
        check_url(self.url, allow_private=self.allow_private, at=at)
        if not self.secrets:
            raise ConfigError(f"{at}no secret", "set `secret`, or `secrets` while rotating")
        if self.max_per_day < 1:
            raise ConfigError(f"{at}max_per_day is {self.max_per_day}", "write 1 or more")
        if not 0 < self.max_age_s <= MAX_AGE_S:
            raise ConfigError(
                f"{at}max_age_s is {self.max_age_s}",
                f"write seconds above 0, at most {MAX_AGE_S:,}",
            )
        if not 0 <= self.min_probability < 1:
            raise ConfigError(
                f"{at}min_probability is {self.min_probability}", "write a number from 0 to below 1"
            )
        if not 0 < self.timeout_s <= 60:
            raise ConfigError(f"{at}timeout_s is {self.timeout_s}", "write seconds from 1 to 60")
        unknown = set(self.kinds) - set(KINDS)
        if unknown or "candidate" not in self.kinds:
            raise ConfigError(
                f"{at}kinds are {', '.join(map(str, self.kinds)) or 'empty'}",
                f"choose among {', '.join(KINDS)}, candidate included: follow-ups are sent only "
                "for episodes whose candidate was",
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> EndpointSettings:
        """Settings from a table of a TOML file; ``secret`` stands for a single one of ``secrets``.

        Raises ConfigError naming the endpoint and the setting.
        """
        given = dict(values)
        name = given.get("name")
        at = f"endpoint {name}" if isinstance(name, str) else "an endpoint"
        several = given.pop("secrets", ())
        secrets = tuple(several) if isinstance(several, list | tuple) else (several,)
        if "secret" in given:
            secrets = (given.pop("secret"), *secrets)
        known = {f.name: f for f in fields(cls)}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ConfigError(
                f"{at}: unknown setting {unknown[0]}", f"use {', '.join(known)} or secret"
            )
        for required in ("name", "url"):
            if not isinstance(given.get(required), str):
                raise ConfigError(f"{at} has no {required}", f"set {required} to a text")
        for key, kinds in _TYPES.items():
            if key in given and (
                not isinstance(given[key], kinds)
                or (isinstance(given[key], bool) and bool not in kinds)
            ):
                raise ConfigError(
                    f"{at}: {key} is {given[key]!r}", f"write a value of type {kinds[-1].__name__}"
                )
        if "kinds" in given:
            given["kinds"] = tuple(map(str, given["kinds"]))
        if not all(isinstance(s, str | WebhookSecret) for s in secrets):
            raise ConfigError(f"{at}: a secret is not a text", "write it in quotes")
        return cls(
            secrets=tuple(s if isinstance(s, WebhookSecret) else WebhookSecret(s) for s in secrets),
            **given,
        )


_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "max_per_day": (int,),
    "max_age_s": (int, float),
    "min_probability": (int, float),
    "timeout_s": (int, float),
    "kinds": (tuple, list),
    "allow_private": (bool,),
    "deliver_replayed": (bool,),
}


def check_names(endpoints: Sequence[EndpointSettings]) -> None:
    """Raise ConfigError where two endpoints share a name: they would share an outbox."""
    names = [e.name for e in endpoints]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise ConfigError(f"two endpoints are named {twice}", "give each its own name")
