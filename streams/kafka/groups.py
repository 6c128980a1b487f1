"""A consumer group seen from outside: who is in it, and how far it has committed. Blocking."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, Final

from kafka.admin import KafkaAdminClient
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaError,
)

from schemas.errors import GoldendogError, UserError
from streams.kafka.connection import Connection

# It cannot read what Faust's assignor says of its members, and says so at length; nor need we.
logging.getLogger("kafka.admin._groups").setLevel(logging.ERROR)

_CONNECT_TIMEOUT_MS: Final = 10_000
_COORDINATOR_TIMEOUT_S: Final = 20.0
_COORDINATOR_PAUSE_S: Final = 0.3


@dataclass(frozen=True)
class Group:
    """A consumer group: its state as Kafka names it, its members, and its committed offsets."""

    state: str
    members: tuple[str, ...]
    committed: dict[tuple[str, int], int]

    @property
    def alive(self) -> bool:
        """Whether anybody is in it."""
        return bool(self.members)


def group_of(where: Connection, name: str) -> Group:
    """A group as it is; one that never was is empty.

    Raises UserError where no broker answers, GoldendogError where it refuses.
    """
    try:
        admin = KafkaAdminClient(**where.client_options(), bootstrap_timeout_ms=_CONNECT_TIMEOUT_MS)
    except (KafkaError, OSError, ValueError) as error:
        raise UserError(
            f"no Kafka broker at {where.bootstrap} ({type(error).__name__})",
            "start it, or name another with --bootstrap",
        ) from error
    try:
        return _look(admin, name)
    except KafkaError as error:
        raise GoldendogError(f"group {name}: the broker refused: {error}") from error
    finally:
        admin.close()


def _look(admin: Any, name: str) -> Group:
    until = monotonic() + _COORDINATOR_TIMEOUT_S
    while True:
        try:
            described = admin.describe_groups([name])[name]
            offsets = admin.list_group_offsets([name])[name]
        except (CoordinatorNotAvailableError, CoordinatorLoadInProgressError):
            # The first look at any group has the broker create the topic that groups are kept in.
            if monotonic() > until:
                raise
            sleep(_COORDINATOR_PAUSE_S)
        else:
            break
    members = tuple(
        f"{m['group_instance_id'] or m['client_id']} at {m['client_host'].lstrip('/')}"
        for m in described["members"]
    )
    committed = {(tp.topic, tp.partition): at.offset for tp, at in offsets.items()}
    return Group(described["group_state"], members, committed)
