"""The HTTP door's port, the brokers, the webhooks' settings. Nothing is sent to an endpoint."""

from __future__ import annotations

import errno
import json
import socket
from http.client import HTTPConnection, HTTPException
from typing import Final

from schemas.errors import GoldendogError
from streams.doctor.check import Check, failed
from streams.settings import HttpSettings, KafkaSettings, Settings

TIMEOUT_S: Final = 3.0
MOST_BYTES: Final = 65_536


def check_port(http: HttpSettings) -> Check:
    """Whether the door can be opened where the settings say, or is open already."""
    where = f"{http.host}:{http.port}"
    if http.port == 0:
        return Check("http port", "OK", f"any free port of {http.host}")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            http.host, http.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, proto) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _who_is_there(http, where)
        return Check(
            "http port",
            "FAIL",
            f"{where} cannot be opened: {error.strerror or error}",
            "choose another with --http-port, or the setting http.host",
        )
    return Check("http port", "OK", f"{where} is free")


def _who_is_there(http: HttpSettings, where: str) -> Check:
    client = HTTPConnection(http.host, http.port, timeout=TIMEOUT_S)
    try:
        client.request("GET", "/readyz")
        answer = json.loads(client.getresponse().read(MOST_BYTES))
        ready, checks = answer["ready"], answer["checks"]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return Check(
            "http port",
            "FAIL",
            f"{where} is in use by another program",
            "stop it, or choose another port with --http-port",
        )
    finally:
        client.close()
    if ready:
        return Check("http port", "OK", f"a goldendog that is ready answers at {where}")
    reasons = "; ".join(f"{k}: {v['reason']}" for k, v in checks.items() if not v["ok"])
    return Check(
        "http port",
        "WARN",
        f"the goldendog at {where} is not ready: {reasons}",
        "wait while it starts; then see its log",
    )


def check_broker(kafka: KafkaSettings, history_ms: int) -> list[Check]:
    """Whether a broker answers, and whether goldendog's topics are there as they should be."""
    from streams.kafka.admin import topics_check

    try:
        findings = topics_check(
            kafka.connection(),
            kafka.partitions,
            kafka.mention_partitions,
            history_ms=history_ms,
            replicas=kafka.replication,
        )
    except GoldendogError as error:
        return [failed("broker", error)]
    answers = Check("broker", "OK", f"{kafka.bootstrap} answers")
    differences = [finding for finding in findings if not finding.note]
    if not differences:
        return [answers, Check("topics", "OK", "as they should be")]
    more = f" (and {len(differences) - 1} more: see `goldendog topics check`)"
    return [
        answers,
        Check(
            "topics",
            "WARN",
            f"{differences[0]}{more if len(differences) > 1 else ''}",
            differences[0].remedy,
        ),
    ]


def check_webhooks(settings: Settings) -> Check:
    """Whether the endpoints' settings can be used."""
    try:
        endpoints = settings.endpoints()
    except GoldendogError as error:
        return failed("webhooks", error)
    if not endpoints:
        return Check("webhooks", "OK", "none: alerts are printed, and read over HTTP")
    names = ", ".join(endpoint.name for endpoint in endpoints)
    private = [endpoint.name for endpoint in endpoints if endpoint.allow_private]
    if private:
        return Check(
            "webhooks",
            "WARN",
            f"{names}; allow_private is on for {', '.join(private)}",
            "turn it off outside development: it lets a name lead into your network",
        )
    return Check("webhooks", "OK", names)
