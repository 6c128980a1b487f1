"""Knocking at brokers: addresses, nobody there, and brokers that send us elsewhere."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from schemas.errors import ConfigError, UserError
from streams.kafka.connection import Connection
from streams.kafka.reach import reach, refuse_unreachable
from tests.helpers.parts import program
from tests.helpers.ports import free_ports
from tests.kafka.certificates import make_certificates


@pytest.mark.parametrize(
    "address", ["", "localhost", ":9092", "localhost:kafka", "localhost:65536"]
)
async def test_an_address_needs_host_and_port(address: str) -> None:
    with pytest.raises(UserError, match="write HOST:PORT"):
        await reach(Connection(address))


async def test_nobody_there_may_be_tried_again() -> None:
    (port,) = free_ports(1)
    with pytest.raises(KafkaConnectionError, match=f"127.0.0.1:{port}: Connection refused"):
        await reach(Connection(f"127.0.0.1:{port}"))


async def test_what_is_no_broker_may_be_tried_again() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1")
    host, port = server.sockets[0].getsockname()
    with pytest.raises(KafkaConnectionError):
        await reach(Connection(f"{host}:{port}"))
    server.close()


async def test_a_broker_that_sends_us_nowhere_is_the_brokers_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = f"127.0.0.1:{server.getsockname()[1]}"
        nowhere = f"127.0.0.1:{free_ports(1)[0]}"
        where = Connection("a:9092")
        await refuse_unreachable(where, "a:9092", ["a:9092", nowhere])
        await refuse_unreachable(where, "a:9092", [nowhere, there])
        with pytest.raises(UserError, match="where none is reached") as refused:
            await refuse_unreachable(where, "a:9092", [nowhere])
        assert nowhere in refused.value.problem
        assert "advertised.listeners" in refused.value.remedy


async def test_a_certificate_that_python_finds_malformed_is_not_blamed_on_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates made as Kafka's own pages tell: to Python 3.13 they lack something."""

    def strict(purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH, **names: Any) -> ssl.SSLContext:
        context = lenient(purpose, **names)
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # as 3.13 does by itself
        return context

    program("openssl", "apt-get install openssl")
    make_certificates(tmp_path, conforming=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", ssl=context)
    host, port = server.sockets[0].getsockname()
    lenient = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", strict)
    with pytest.raises(UserError, match="CA cert does not include key usage") as refused:
        await reach(Connection(f"{host}:{port}", "SSL", ssl_ca_file=tmp_path / "ca.pem"))
    assert "make them anew" in refused.value.remedy
    assert "ssl_ca_file" not in refused.value.remedy
    server.close()


def test_a_key_without_its_certificate_is_refused() -> None:
    where = Connection("a:9092", "SSL", ssl_cert_file=None, ssl_key_file=__file__)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"kafka.ssl_key_file .* has no certificate"):
        where.client_options()
