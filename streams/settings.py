"""Settings, parsed once: TOML file, then environment, then flags; the later wins.

The environment spells ``http.port`` as ``GOLDENDOG_HTTP__PORT``. Below the commands, values are
passed on, never this object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from detectors.settings import EngineSettings
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from streams.sinks.webhook.settings import EndpointSettings

ENV_PREFIX = "GOLDENDOG_"
NOT_SETTINGS = frozenset({"GOLDENDOG_CONFIG", "GOLDENDOG_DEBUG", "GOLDENDOG_CACHE_DIR"})
"""Variables read before there are settings."""


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Remedy for an unknown name.

    >>> did_you_mean("http.prt", ["http.port", "http.host"])
    'did you mean http.port'
    """
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}" if close else f"use one of {', '.join(known)}"


def _engine_names_known(given: Any) -> Any:
    if isinstance(given, dict):
        names = [f"engine.{field.name}" for field in fields(EngineSettings)]
        for name in given:
            if f"engine.{name}" not in names:
                unknown = f"engine.{name}"
                raise ConfigError(f"unknown setting {unknown}", did_you_mean(unknown, names))
    return given


Engine = Annotated[EngineSettings, BeforeValidator(_engine_names_known), PlainSerializer(asdict)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Partitions = Annotated[int, Field(ge=1, le=1_024)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpSettings(_Section):
    """The door: where records are POSTed and metrics read. Port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: Port = 8080
    token: SecretStr | None = None
    max_body_bytes: Annotated[int, Field(ge=1_024, le=1_073_741_824)] = 16_777_216


class KafkaSettings(_Section):
    """Where the brokers are, how to speak to them, and how topics are created."""

    bootstrap: Annotated[str, Field(min_length=1)] = "localhost:9092"
    group: Annotated[str, Field(min_length=1)] = "goldendog"
    partitions: Partitions = 8
    mention_partitions: Partitions = 8
    replication: Annotated[int, Field(ge=1, le=32)] = 1
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    ssl_ca_file: Path | None = None


class LogSettings(_Section):
    """What is told on standard error: from which level on, for a reader or as JSON lines."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"


class Settings(BaseSettings):
    """All settings. ``goldendog config show`` prints them with their origin."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
    )

    data_dir: Path = Path("goldendog-data")
    lexicon: Path | None = None
    model: Path | None = None
    partitions: Partitions | None = None
    mention_partitions: Partitions | None = None
    engine: Engine = EngineSettings()
    http: HttpSettings = HttpSettings()
    kafka: KafkaSettings = KafkaSettings()
    log: LogSettings = LogSettings()
    webhooks: tuple[dict[str, Any], ...] = ()

    def endpoints(self) -> tuple[EndpointSettings, ...]:
        """The webhook endpoints, checked; raises ConfigError naming endpoint and setting."""
        from streams.sinks.webhook.settings import EndpointSettings, check_names

        found = tuple(EndpointSettings.of(each) for each in self.webhooks)
        check_names(found)
        return found
