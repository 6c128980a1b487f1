"""Knocks at brokers before a client does: what keeps us out is one sentence, and none waits for ever.

The clients take a wrong password, an untrusted certificate or another protocol for a broker that is
down, and try again, some without end. So each of them is preceded by one connection of ours, that
goes through TLS, login and a first request, and tells what the matter is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from schemas.errors import UserError
from streams.kafka.connection import Connection

TIMEOUT_S: Final = 5.0
MAX_PORT: Final = 65_535
_CLOSED: Final = (KafkaConnectionError, ConnectionError)
_WITHOUT_LOGIN: Final = ("PLAINTEXT", "SSL")
_MALFORMED: Final = range(80, 95)
"""What OpenSSL finds with X509_V_FLAG_X509_STRICT alone, from PATHLEN_INVALID_FOR_NON_CA on."""


async def reach(where: Connection) -> None:
    """Return once one of the brokers has let us in and answered.

    Raises
    ------
    UserError : what keeps us out is a setting, and trying again would not help.
    KafkaConnectionError : none of them can be reached now.
    """
    if where.security_protocol.startswith("SASL") and not where.sasl_username:
        raise UserError(
            f"kafka.security_protocol is {where.security_protocol}, but nobody is named",
            "set kafka.sasl_username and kafka.sasl_password",
        )
    wrong: UserError | None = None
    why = ""
    for server in where.servers or [where.bootstrap]:
        host, _, port = server.rpartition(":")
        if not host or not port.isdecimal() or int(port) > MAX_PORT:
            raise UserError(f"{server!r} is no broker's address", "write HOST:PORT")
        try:
            told = await _enter(where, host.strip("[]"), int(port))
        except UserError as error:
            wrong = wrong or error
        except (OSError, KafkaError, TimeoutError) as error:
            why = f"{server}: {_reason(error)}"
        else:
            await refuse_unreachable(where, server, told)
            return
    if wrong is not None:
        raise wrong
    raise KafkaConnectionError(why or "no address is given")


class BrokerDownError(UserError):
    """No broker answers at the address given; one may later."""

    def __init__(self, bootstrap: str, why: str) -> None:
        super().__init__(
            f"no Kafka broker at {bootstrap} ({why})",
            "start it, or name another with --bootstrap",
        )


def down(where: Connection, error: Exception) -> BrokerDownError:
    """Say of a client's error that no broker answers.

    >>> error = KafkaConnectionError("localhost:9092: Connection refused")
    >>> down(Connection("localhost:9092"), error).problem
    'no Kafka broker at localhost:9092 (Connection refused)'
    """
    text = str(error.args[0]) if error.args else type(error).__name__
    return BrokerDownError(where.bootstrap, text.rpartition(": ")[2])


def _reason(error: Exception) -> str:
    """Why, in words: of OSError what the system says, without the address it repeats."""
    text = (error.strerror if isinstance(error, OSError) else "") or str(error)
    if isinstance(error, OSError) and error.errno is not None and "Connect call" in text:
        return os.strerror(error.errno)
    return text or type(error).__name__


async def _enter(where: Connection, host: str, port: int) -> list[str]:
    """Connect, log in, ask; where the cluster says that its brokers are."""
    entered = False
    try:
        async with _connected(where, host, port) as connection:
            entered = True
            metadata: Any = await connection.send(MetadataRequest([]))
    except (OSError, KafkaError) as error:
        if explained := await _explained(where, host, port, error, entered=entered):
            raise explained from error
        raise
    return [f"{broker[1]}:{broker[2]}" for broker in metadata.brokers]


async def _explained(
    where: Connection, host: str, port: int, error: Exception, *, entered: bool
) -> UserError | None:
    """What keeps us out of ``host:port``, where it is a setting; None where nobody may be there."""
    server, speaks = f"{host}:{port}", f"kafka.security_protocol is {where.security_protocol}"
    tls = where.security_protocol.endswith("SSL")
    if isinstance(error, SaslAuthenticationFailed):
        return UserError(
            f"the broker at {server} refused to let {where.sasl_username!r} in ({error.args[0]})",
            "check kafka.sasl_username, kafka.sasl_password and kafka.sasl_mechanism",
        )
    if isinstance(error, UnsupportedSaslMechanismError):
        return UserError(
            f"the broker at {server} does not offer {where.sasl_mechanism}",
            "set kafka.sasl_mechanism to what it offers: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        )
    if isinstance(error, IllegalSaslStateError):
        return UserError(
            f"the broker at {server} asks nobody to log in",
            f"set kafka.security_protocol to {where.security_protocol.removeprefix('SASL_')}, or "
            "use its SASL port",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrusted(server, error)
    if entered and isinstance(error, _CLOSED) and where.security_protocol in _WITHOUT_LOGIN:
        return UserError(
            f"the broker at {server} answers nobody who has not logged in, and {speaks}",
            f"set it to SASL_{where.security_protocol}, with kafka.sasl_username and sasl_password",
        )
    if not isinstance(error, (*_CLOSED, ssl.SSLError)):
        return None
    if not tls and await _speaks_tls(host, port):
        return UserError(
            f"the broker at {server} speaks TLS, and {speaks}",
            "set it to SSL, or to SASL_SSL where it asks for a login",
        )
    if tls and await _wants_certificate(where, host, port):
        return UserError(
            f"the broker at {server} asks for a certificate of ours that it trusts",
            "name one with kafka.ssl_cert_file, and its key with kafka.ssl_key_file",
        )
    if tls and await _speaks_plainly(where, host, port):
        return UserError(
            f"the broker at {server} speaks no TLS, and {speaks}",
            f"set it to {where.security_protocol.replace('SSL', 'PLAINTEXT')}, or use the broker's "
            "TLS port",
        )
    return None


@contextlib.asynccontextmanager
async def _connected(
    where: Connection, host: str, port: int, **changes: Any
) -> AsyncIterator[AIOKafkaConnection]:
    options = where.client_options() | changes
    del options["bootstrap_servers"]
    timeout_ms = int(TIMEOUT_S * 1000)
    connection = AIOKafkaConnection(host, port, request_timeout_ms=timeout_ms, **options)
    try:
        await connection.connect()
        yield connection
    except OSError:
        raise  # there is no connection, or no longer one
    except BaseException:
        await _close(connection)
        raise
    else:
        await _close(connection)


async def _close(connection: AIOKafkaConnection) -> None:
    """Close, and wait a moment until the socket is: the loop may end right after."""
    await asyncio.wait({connection.close()}, timeout=1.0)


def _distrusted(server: str, error: ssl.SSLCertVerificationError) -> UserError:
    problem = f"the certificate of {server} is not trusted ({error.verify_message})"
    if "mismatch" in error.verify_message:
        return UserError(problem, "name the broker in kafka.bootstrap as its certificate does")
    if error.verify_code in _MALFORMED:
        return UserError(
            problem,
            "from 3.13 on, Python insists on certificates as RFC 5280 has them: make them anew, with "
            "what it misses there, or run goldendog on Python 3.12",
        )
    return UserError(problem, "name the certificates of who signed it with kafka.ssl_ca_file")


async def _speaks_plainly(where: Connection, host: str, port: int) -> bool:
    plain = {"security_protocol": "PLAINTEXT", "ssl_context": None}
    try:
        async with _connected(where, host, port, **plain):
            return True
    except (OSError, KafkaError, TimeoutError):
        return False


async def _speaks_tls(host: str, port: int) -> bool:
    anybody = ssl.create_default_context()
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE  # nothing is said or believed: it is only looked at
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port, ssl=anybody)
    except (OSError, TimeoutError):
        return False
    await _hang_up(writer)
    return True


async def _wants_certificate(where: Connection, host: str, port: int) -> bool:
    """Whether the other side ends TLS for want of a certificate: it says so after the handshake."""
    context = where.client_options()["ssl_context"]
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port, ssl=context)
            await reader.read(1)
    except ssl.SSLError as error:
        told = str(error).upper().replace(" ", "_")
        return any(word in told for word in ("CERTIFICATE", "HANDSHAKE_FAILURE", "UNKNOWN_CA"))
    except (OSError, TimeoutError):
        return False
    await _hang_up(writer)
    return False


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def refuse_unreachable(where: Connection, server: str, told: list[str]) -> None:
    """Raise ``UserError`` where brokers let us in, but send us to addresses that lead nowhere."""
    others = [address for address in told if address not in where.servers]
    if not others or len(others) < len(told):
        return
    why = ""
    for address in others:
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                _, writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError) as error:
            why = _reason(error)
        else:
            await _hang_up(writer)
            return
    raise UserError(
        f"the broker at {server} sends us to {', '.join(others)}, where none is reached ({why})",
        "set the broker's advertised.listeners to an address that leads here to it",
    )
