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

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from detectors.settings import EngineSettings
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from streams.kafka.connection import Connection, Membership
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


Engine = Annotated[
    EngineSettings,
    BeforeValidator(_engine_names_known),
    PlainSerializer(asdict),
]
Port = Annotated[int, Field(ge=0, le=65_535)]
Partitions = Annotated[int, Field(ge=1, le=1_024)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpSettings(_Section):
    """The door: where records are POSTed and metrics read.

    Parameters
    ----------
    host : address to listen on; the door speaks plain HTTP, so leave it on this machine.
    port : 0 takes any free one.
    token : what `/v1` asks for; made and kept in the data folder where left out.
    max_body_bytes : largest body of a POST, packed.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    token: SecretStr | None = None
    max_body_bytes: Annotated[int, Field(ge=1_024, le=1_073_741_824)] = 16_777_216


class KafkaSettings(_Section):
    """Where the brokers are, how to speak to them, and how topics are created.

    Parameters
    ----------
    bootstrap : `host:port[,host:port...]`.
    group : consumer group of the workers.
    partitions : of every topic keyed by token, when topics are created.
    mention_partitions : of raw mentions, likewise.
    replication : copies of each partition, likewise.
    security_protocol : how to speak to the brokers.
    sasl_mechanism, sasl_username, sasl_password : of the two SASL protocols.
    ssl_ca_file : certificates to trust, PEM; the system's where left out.
    ssl_cert_file, ssl_key_file : our own certificate and its key, PEM, for brokers that ask for one.
    compression : codec of what workers write; they read every codec.
    session_timeout_s : silence after which a worker's partitions go to others; one frozen longer exits.
    heartbeat_interval_s : pause between two signs of life to the brokers; a quarter of
        `session_timeout_s` where left out.
    instance_id : name of this worker within its group, the same at every start and no other worker's
        (`group.instance.id`): a restart within `session_timeout_s` gets its partitions back at once.
    commit_interval_s : pause between two commits of what has been read.
    delivery_timeout_s : how long a write or a look at the log is tried again; longer than the
        longest restart of a broker.
    """

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
    ssl_cert_file: Path | None = None
    ssl_key_file: Path | None = None
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "zstd"
    session_timeout_s: Annotated[float, Field(ge=1, le=80)] = 10.0
    heartbeat_interval_s: Annotated[float, Field(ge=0.1, le=30)] | None = None
    instance_id: Annotated[str, Field(max_length=249, pattern=r"^[A-Za-z0-9._-]*$")] = ""
    commit_interval_s: Annotated[float, Field(ge=0.05, le=60)] = 1.0
    delivery_timeout_s: Annotated[float, Field(ge=5, le=3_600)] = 120.0

    @model_validator(mode="after")
    def _heartbeats_fit(self) -> KafkaSettings:
        if (beat_s := self.heartbeat_interval_s) and beat_s > self.session_timeout_s / 3:
            raise ConfigError(
                f"kafka.heartbeat_interval_s is {beat_s:g}, too near kafka.session_timeout_s",
                f"write at most a third of it, {self.session_timeout_s / 3:g}",
            )
        return self

    def membership(self) -> Membership:
        """What a worker is within its group."""
        from streams.kafka.connection import Membership

        return Membership(
            self.group,
            self.instance_id,
            self.session_timeout_s,
            self.heartbeat_interval_s or self.session_timeout_s / 4,
            self.commit_interval_s,
        )

    def connection(self) -> Connection:
        """How to reach the brokers."""
        from streams.kafka.connection import Connection

        return Connection(
            self.bootstrap,
            self.security_protocol,
            self.sasl_mechanism,
            self.sasl_username,
            self.sasl_password.get_secret_value(),
            self.ssl_ca_file,
            self.ssl_cert_file,
            self.ssl_key_file,
            self.compression,
            self.delivery_timeout_s,
        )


class LogSettings(_Section):
    """What is told on standard error.

    Parameters
    ----------
    level : from which level on.
    format : for a reader (text), as JSON lines, or by whether it is a terminal (auto).
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"


class Settings(BaseSettings):
    """All settings. ``goldendog config show`` prints them with their origin.

    Parameters
    ----------
    data_dir : where an embedded run keeps its log, token and outbox; a worker on Kafka its outbox.
    lexicon : words for tokens, JSON; without one only contract addresses are found.
    model : folder of a trained model; the shipped one where left out.
    partitions, mention_partitions : of a new data folder: of tokens, and of raw mentions.
    keep_hours : how long an embedded live run keeps records that it has worked on, more than the
        longest baseline; for ever where left out.
    control_files : folder of lexicons and models that control records name; `control` in
        `data_dir` where left out.
    engine : thresholds and durations of the detector; other values, other alerts.
    http, kafka, log : see their sections.
    webhooks : receivers of alerts, a list of tables.
    """

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
    keep_hours: Annotated[float, Field(ge=26, le=87_600)] | None = None
    control_files: Path | None = None
    engine: Engine = EngineSettings()
    http: HttpSettings = HttpSettings()
    kafka: KafkaSettings = KafkaSettings()
    log: LogSettings = LogSettings()
    webhooks: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="after")
    def _keeps_the_baselines(self) -> Settings:
        least = self.engine.history_ms // 3_600_000 + 1
        if self.keep_hours is not None and self.keep_hours < least:
            raise ConfigError(
                f"keep_hours is {self.keep_hours:g}, and with engine.ticks false baselines reach "
                f"back {least - 1} hours",
                f"write {least} or more",
            )
        return self

    def control_folder(self) -> Path:
        """Where lexicons and models are that control records name."""
        from streams.control.files import CONTROL_FILES

        return self.control_files or self.data_dir / CONTROL_FILES

    def endpoints(self) -> tuple[EndpointSettings, ...]:
        """The webhook endpoints, checked; raises ConfigError naming endpoint and setting."""
        from streams.sinks.webhook.settings import EndpointSettings, check_names

        found = tuple(EndpointSettings.of(each) for each in self.webhooks)
        check_names(found)
        return found
