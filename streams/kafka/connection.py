"""How to speak to the brokers, put the way each of the three client libraries wants to hear it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.errors import ConfigError


@dataclass(frozen=True)
class Connection:
    """Address and credentials of a cluster.

    Parameters
    ----------
    bootstrap : ``host:port[,host:port...]``.
    security_protocol : ``PLAINTEXT``, ``SSL``, ``SASL_PLAINTEXT`` or ``SASL_SSL``.
    sasl_mechanism, sasl_username, sasl_password : used by the SASL protocols.
    ssl_ca_file : certificates to trust, PEM; the system's when None.

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
            return ssl.create_default_context(cafile=self.ssl_ca_file)
        except OSError as exc:
            raise ConfigError(
                f"kafka.ssl_ca_file {self.ssl_ca_file}: {exc.strerror or exc}",
                "name a file of certificates in PEM form",
            ) from exc

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
