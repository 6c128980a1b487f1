"""``goldendog`` with a fault: some records make the resolver, or the engine, raise.

``POISON_RESOLVER`` and ``POISON_ENGINE`` in the environment are ids of records, between commas.
"""

from __future__ import annotations

import os
from typing import Any

from detectors.columns import Columns
from detectors.engine import Engine
from detectors.resolve.resolver import Resolver
from schemas.decode import decode_as
from schemas.records import Mention
from streams.cli.main import main
from streams.log.slab import Slab
from streams.worker import resolve as stage
from streams.worker.resolving import Found, resolve_slab


def ids_of(variable: str) -> set[str]:
    return {name for name in os.environ.get(variable, "").split(",") if name}


def poison() -> None:
    mentions, rows = ids_of("POISON_RESOLVER"), ids_of("POISON_ENGINE")
    resolve: Any = Resolver.resolve
    incoming: Any = Engine._incoming

    def poisoned_resolve(self: Resolver, mention: Mention, ts_log_ms: int) -> tuple[str, ...]:
        if mention.id in mentions:
            raise ZeroDivisionError(mention.id)
        found: tuple[str, ...] = resolve(self, mention, ts_log_ms)
        return found

    def poisoned_incoming(self: Engine, columns: Columns, *args: Any) -> Any:
        made = incoming(self, columns, *args)
        if found := rows & set(columns.ids or ()):
            raise IndexError(min(found))
        return made

    def poisoned_slab(slab: Slab, *args: Any) -> Found:
        for record in slab:
            if record.value and decode_as(record.value, "mention").id in mentions:
                raise ZeroDivisionError(record.offset)
        return resolve_slab(slab, *args)

    Resolver.resolve = poisoned_resolve  # type: ignore[method-assign]
    stage.resolve_slab = poisoned_slab  # type: ignore[attr-defined]
    Engine._incoming = poisoned_incoming  # type: ignore[method-assign]


if __name__ == "__main__":
    poison()
    main()
