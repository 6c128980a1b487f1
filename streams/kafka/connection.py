"""How to speak to the brokers, put the way each of the three client libraries wants to hear it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from schemas.errors import ConfigError

DELIVERY_TIMEOUT_S: Final = 120.0
"""Longer than the longest restart of a broker."""


@dataclass(frozen=True)
class Membership:
    """What a worker is within its consumer group.

    Parameters
    ----------
    group : the consumer group.
    instance_id : of a static member (``group.instance.id``); of a passing one where empty.
    session_timeout_s : silence after which Kafka gives the worker's partitions to others; a process
        frozen longer than that exits.
    heartbeat_interval_s : pause between two signs of life.
    commit_interval_s : pause between commits; a killed worker repeats at most about this much
        input where no checkpoint says better.
    """

    group: str
    instance_id: str = ""
    session_timeout_s: float = 10.0
    heartbeat_interval_s: float = 2.5
    commit_interval_s: float = 1.0

    def faust_options(self) -> dict[str, Any]:
        """Options for ``faust.App``."""
        return {
            "broker_session_timeout": self.session_timeout_s,
            "broker_heartbeat_interval": self.heartbeat_interval_s,
            "broker_commit_interval": self.commit_interval_s,
            "consumer_group_instance_id": self.instance_id or None,
        }


@dataclass(frozen=True)
class Connection:
    """Address and credentials of a cluster.

    Parameters
    ----------
    bootstrap : ``host:port[,host:port...]``.
    security_protocol : ``PLAINTEXT``, ``SSL``, ``SASL_PLAINTEXT`` or ``SASL_SSL``.
    sasl_mechanism, sasl_username, sasl_password : used by the SASL protocols.
    ssl_ca_file : certificates to trust, PEM; the system's when None.
    ssl_cert_file, ssl_key_file : our own certificate and its key, PEM, for brokers that ask for one;
        the key may be in the certificate's file.
    compression : codec of what we write: ``none``, ``gzip``, ``snappy``, ``lz4`` or ``zstd``.
    delivery_timeout_s : how long a write or a look at the log is tried again.

    Examples
    --------
    >>> Connection.of("a:9092, b:9092").servers
    ['a:9092', 'b:9092']
    """

    bootstrap: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: str = field(default="", repr=False)
    ssl_ca_file: Path | None = None
    ssl_cert_file: Path | None = None
    ssl_key_file: Path | None = None
    compression: str = "zstd"
    delivery_timeout_s: float = DELIVERY_TIMEOUT_S

    @classmethod
    def of(cls, where: str | Connection) -> Connection:
        """Take an address for an unprotected connection to it."""
        return where if isinstance(where, Connection) else cls(where)

    @property
    def servers(self) -> list[str]:
        """The bootstrap addresses, one by one."""
        return [server.strip() for server in self.bootstrap.split(",") if server.strip()]

    @property
    def _sasl(self) -> bool:
        return self.security_protocol.startswith("SASL")

    def _ssl_context(self) -> ssl.SSLContext | None:
        if not self.security_protocol.endswith("SSL"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ssl_ca_file)
        except OSError as exc:
            raise _unusable("ssl_ca_file", self.ssl_ca_file, exc) from exc
        if self.ssl_key_file is not None and self.ssl_cert_file is None:
            raise ConfigError(
                f"kafka.ssl_key_file {self.ssl_key_file} has no certificate",
                "name it with kafka.ssl_cert_file",
            )
        if self.ssl_cert_file is not None:
            try:
                context.load_cert_chain(self.ssl_cert_file, self.ssl_key_file)
            except OSError as exc:
                files = " and ".join(str(f) for f in (self.ssl_cert_file, self.ssl_key_file) if f)
                raise _unusable("ssl_cert_file", files, exc) from exc
        return context

    def client_options(self) -> dict[str, Any]:
        """Options for clients of aiokafka, and of kafka-python, which takes the same names."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.servers,
            "security_protocol": self.security_protocol,
        }
        if (context := self._ssl_context()) is not None:
            options["ssl_context"] = context
        if self._sasl:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password,
            }
        return options

    def faust_options(self) -> dict[str, Any]:
        """Options for ``faust.App``."""
        import faust

        context = self._ssl_context()
        options: dict[str, Any] = {"broker": ";".join(f"kafka://{s}" for s in self.servers)}
        if self._sasl:
            options["broker_credentials"] = faust.SASLCredentials(
                mechanism=self.sasl_mechanism,
                username=self.sasl_username,
                password=self.sasl_password,
                ssl_context=context,
            )
        elif context is not None:
            options["broker_credentials"] = faust.SSLCredentials(context)
        return options


def _unusable(setting: str, path: object, error: OSError) -> ConfigError:
    why = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    what = "certificates" if setting == "ssl_ca_file" else "a certificate and its key"
    return ConfigError(
        f"kafka.{setting} {path} cannot be used ({why})", f"name a file of {what} in PEM form"
    )
