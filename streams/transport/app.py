"""The Faust app of a worker, with the settings that batches need."""

from __future__ import annotations

from typing import Any

import faust
from faust.tables.manager import TableManager

from streams.kafka.connection import Connection


class NoTables(TableManager):
    """Faust's manager of Tables, which we have none of: it need not wait a second for them."""

    async def on_start(self) -> None:
        """Begin at once."""
        await self._update_channels()
        await self.recovery.start()


class WorkerApp(faust.App):
    """A Faust app without Tables, web server, or folders of its own."""

    def _create_directories(self) -> None:
        """Create none: Faust would put a data folder, meant for Tables, where we stand."""


def new_app(
    app_id: str,
    where: str | Connection = "localhost:9092",
    *,
    session_timeout_s: float = 10.0,
    commit_interval_s: float = 1.0,
    request_timeout_s: float = 90.0,
    **options: Any,
) -> WorkerApp:
    """Make an app; ``install`` a transport and declare agents before it starts.

    Parameters
    ----------
    app_id : the consumer group on Kafka, the owner of commits in an embedded log.
    where : ``host:port[,host:port...]`` or a ``Connection``; an embedded transport ignores it.
    session_timeout_s : silence after which Kafka gives a worker's partitions to others; a process
        frozen longer than that exits.
    commit_interval_s : seconds between commits; a killed worker repeats at most about this much
        input where no checkpoint says better.
    request_timeout_s : limit of a request to the broker, and of ``restore`` (nine tenths of it).
    options : further settings of ``faust.App``.
    """
    settings: dict[str, Any] = {
        **Connection.of(where).faust_options(),
        "store": "memory://",
        "TableManager": NoTables,
        "web_enabled": False,
        "autodiscover": False,
        "topic_allow_declare": False,  # topics are created with care, before workers start
        "topic_disable_leader": True,
        "stream_wait_empty": True,
        "broker_session_timeout": session_timeout_s,
        "broker_heartbeat_interval": session_timeout_s / 4,
        "broker_commit_interval": commit_interval_s,
        "broker_request_timeout": request_timeout_s,
        "consumer_auto_offset_reset": "earliest",
        # table_standby_replicas stays 1: at 0 Faust silently takes another assignor, and
        # topics by token are no longer co-partitioned.
    }
    return WorkerApp(app_id, **(settings | options))
