"""A program for the interpreter that has NautilusTrader: reads an export as its users would.

Arguments: the catalog, a time in nanoseconds to ask for alerts from, and a new catalog, to which
Nautilus writes what it read. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any


def handed_over(kind: type, alerts: list[Any]) -> list[tuple[str, int]]:
    """What an actor gets in a backtest over the alerts: each with its clock in nanoseconds."""
    from nautilus_trader.backtest.config import BacktestEngineConfig
    from nautilus_trader.backtest.engine import BacktestEngine
    from nautilus_trader.common.actor import Actor
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.model.data import DataType
    from nautilus_trader.model.identifiers import ClientId

    got: list[tuple[str, int]] = []
    client = ClientId("GOLDENDOG")

    class Listener(Actor):  # type: ignore[misc]
        def on_start(self) -> None:
            self.subscribe_data(DataType(kind), client_id=client)

        def on_data(self, data: Any) -> None:
            got.append((data.alert_id, self.clock.timestamp_ns()))

    engine = BacktestEngine(
        BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False)
    )
    engine.add_actor(Listener())
    engine.add_data(alerts, client_id=client)
    engine.run()
    engine.dispose()
    return got


def main() -> None:
    folder, since_ns, anew = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    warnings.simplefilter("ignore")
    sys.path.insert(0, folder)
    from golden_dog_alert import GoldenDogAlert
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    catalog = ParquetDataCatalog(folder)
    found = catalog.query(GoldenDogAlert)
    since = catalog.query(GoldenDogAlert, start=since_ns)
    ParquetDataCatalog(anew).write_data([each.data for each in found])
    told = {
        "schema": GoldenDogAlert._schema.to_string(),
        "types": catalog.list_data_types(),
        "alerts": [(each.data.alert_id, each.ts_init) for each in found],
        "since": [each.data.alert_id for each in since],
        "handed_over": handed_over(GoldenDogAlert, found),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
