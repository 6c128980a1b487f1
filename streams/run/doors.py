"""What stands around a run: webhooks, metrics, the HTTP door; opened and closed in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from streams.log.base import Log
from streams.metrics.crew import CrewCollector
from streams.metrics.metrics import Metrics
from streams.web.health import Health
from streams.worker.app import Crew

# What speaks HTTP takes long to load, and is loaded where it is used: many a worker does neither.
if TYPE_CHECKING:
    from streams.settings import HttpSettings
    from streams.sinks.webhook.dispatcher import Dispatcher
    from streams.sinks.webhook.settings import EndpointSettings
    from streams.sources.ingest import Ingest
    from streams.web.app import Served

OUTBOX: str = "webhooks.sqlite"
TOKEN_FILE: str = "http-token"  # noqa: S105 a file's name


def new_metrics(fingerprint: str) -> Metrics:
    """Give the metrics of this process."""
    try:
        number = version("goldendog")
    except PackageNotFoundError:
        number = "unknown"
    return Metrics(number, fingerprint)


def observe(metrics: Metrics, crew: Crew, *, live: bool) -> None:
    """Let the metrics see what the handlers count and know."""
    metrics.read_records(crew.tally.records)
    crew.observe = metrics.observe_stage
    detect = crew.detect
    metrics.registry.register(
        CrewCollector(
            crew.tally,
            lambda: {} if detect is None else detect.engines,
            live=live,
            partitions=crew.standing.states,
        )
    )


def new_dispatcher(
    data_dir: Path,
    endpoints: Sequence[EndpointSettings],
    metrics: Metrics,
    *,
    replayed: bool,
    shared: bool = False,
) -> Dispatcher | None:
    """Give what delivers webhooks, not started yet; None where there is no endpoint.

    ``shared`` where other workers deliver beside this one.
    """
    if not endpoints:
        return None
    from streams.sinks.webhook.dispatcher import Dispatcher
    from streams.sinks.webhook.outbox import Outbox

    outbox = Outbox(data_dir / OUTBOX)
    return Dispatcher(outbox, endpoints, replayed=replayed, shared=shared, observer=metrics)


@dataclass(frozen=True)
class Door:
    """The HTTP door, where it is open: its address, and where the token is if it was made here."""

    served: Served
    token_at: Path | None


@asynccontextmanager
async def open_door(
    settings: HttpSettings,
    metrics: Metrics,
    health: Health,
    *,
    data_dir: Path | None = None,
    ingest: Ingest | None = None,
    log: Log | None = None,
) -> AsyncIterator[Door]:
    """Serve metrics and health, and records where there is an ``ingest``, until the block ends."""
    from streams.web.app import make_web_app, serve
    from streams.web.intake import Intake
    from streams.web.records import Limits
    from streams.web.token import Token, token_file

    intake = token = token_at = None
    if ingest is not None and log is not None and data_dir is not None:
        intake = Intake(ingest, log, source="http", observer=metrics)
        if settings.token is not None:
            token = Token(settings.token.get_secret_value())
        else:
            token_at = data_dir / TOKEN_FILE
            token = Token(token_file(token_at))
    limits = Limits(max_body_bytes=settings.max_body_bytes)
    app = make_web_app(intake, metrics, health, token, limits)
    served = await serve(app, settings.host, settings.port)
    try:
        yield Door(served, token_at)
    finally:
        await served.close()
