"""A broker that speaks TLS and asks for logins, with certificates made for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from streams.kafka.connection import Connection
from tests.kafka.broker import KafkaBroker
from tests.kafka.certificates import make_certificates

USER, PASSWORD = "dog", "such-secret"
LISTENERS = ("SSL", "SASL_PLAINTEXT", "SASL_SSL")
"""SSL asks for a client's certificate; the SASL ones for a login by SCRAM-SHA-512."""


class SecureBroker:
    """Files of ``folder``: ``ca.pem``, ``client.pem`` and ``client.key``, ``other.pem`` and key."""

    def __init__(self, folder: Path, libs: Path) -> None:
        self.folder = folder
        make_certificates(folder)
        both = (folder / "server.key").read_text() + (folder / "server.pem").read_text()
        (folder / "server.both.pem").write_text(both)
        self.broker = KafkaBroker(folder, libs, listeners=LISTENERS, properties=self._properties())

    def start(self) -> None:
        """Format and start."""
        self.broker.format("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]")
        self.broker.start()

    def connection(self, protocol: str, at: str = "") -> Connection:
        """How to reach the listener of ``protocol``, or that of ``at`` by ``protocol``."""
        where = Connection(self.broker.address(at or protocol), protocol)
        if protocol.endswith("SSL"):
            where = replace(where, ssl_ca_file=self.folder / "ca.pem")
        if protocol.startswith("SASL"):
            return replace(where, sasl_username=USER, sasl_password=PASSWORD)
        if protocol == "SSL":
            cert, key = self.folder / "client.pem", self.folder / "client.key"
            return replace(where, ssl_cert_file=cert, ssl_key_file=key)
        return where

    def _properties(self) -> str:
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        logins = [
            f"listener.name.{name.lower()}.scram-sha-512.sasl.jaas.config={login}"
            for name in LISTENERS
            if name.startswith("SASL")
        ]
        lines = [
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={self.folder / 'server.both.pem'}",
            "ssl.truststore.type=PEM",
            f"ssl.truststore.location={self.folder / 'ca.pem'}",
            "listener.name.ssl.ssl.client.auth=required",
            "sasl.enabled.mechanisms=SCRAM-SHA-512",
            *logins,
        ]
        return "\n".join(lines) + "\n"


def settings_of(where: Connection) -> dict[str, str]:
    """The same connection as variables of the environment."""
    values = {
        "bootstrap": where.bootstrap,
        "security_protocol": where.security_protocol,
        "sasl_mechanism": where.sasl_mechanism,
        "sasl_username": where.sasl_username,
        "sasl_password": where.sasl_password,
        "ssl_ca_file": where.ssl_ca_file,
        "ssl_cert_file": where.ssl_cert_file,
        "ssl_key_file": where.ssl_key_file,
    }
    return {f"GOLDENDOG_KAFKA__{name.upper()}": str(v) for name, v in values.items() if v}
