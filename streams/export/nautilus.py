"""Alerts as custom data in a catalog of NautilusTrader, written without it.

The layout is that of its ``ParquetDataCatalog``: ``data/custom_golden_dog_alert/FIRST_LAST.parquet``,
rows in the order of ``ts_init``, the columns of the class and then ``type``, ``ts_event`` and ``ts_init``
in nanoseconds. ``ts_event`` is the end of the bar that decided, ``ts_init`` when the alert could be
known: a backtest hands data over at its ``ts_init``, so no strategy sees an alert too early.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from detectors.model import MICRO
from schemas.errors import InputFileError, UserError
from schemas.records import Alert

CLASS: Final = "GoldenDogAlert"
FOLDER: Final = Path("data") / "custom_golden_dog_alert"
MODULE: Final = "golden_dog_alert.py"
NS_PER_MS: Final = 1_000_000
_TYPES: Final = {"str": pa.string(), "int": pa.int64(), "float": pa.float64()}
FIELDS: Final = {
    "alert_id": "str",
    "kind": "str",
    "sequence": "int",
    "token": "str",
    "symbol": "str",
    "ts_episode_start": "int",
    "probability": "float",
    "logit": "float",
    "price_usd": "float",
    "liquidity_usd": "float",
    "market_cap_usd": "float",
    "moved_x_since_onset": "float",
    "moved_x_1h": "float",
    "price_share_of_peak": "float",
    "attention_share_of_peak": "float",
    "mentions_60s": "int",
    "authors_60s": "int",
    "trades_60s": "int",
    "traders_60s": "int",
    "late_share": "float",
    "baseline_coverage": "float",
    "reasons": "str",
    "evidence": "str",
    "fingerprint": "str",
    "trigger": "str",
}
"""Fields of the class and their types; ``reasons`` and ``evidence`` are JSON, times nanoseconds."""
SCHEMA: Final = pa.schema(
    [
        *((name, _TYPES[kind]) for name, kind in FIELDS.items()),
        ("type", pa.string()),
        ("ts_event", pa.int64()),
        ("ts_init", pa.int64()),
    ]
)


def row_of(alert: Alert) -> dict[str, Any]:
    """An alert as a row of ``SCHEMA``; what is unknown is None."""
    row: dict[str, Any] = {name: getattr(alert, name, None) for name in FIELDS}
    row |= {
        "ts_episode_start": alert.ts_episode_start_ms * NS_PER_MS,
        "logit": None if alert.logit_micro is None else alert.logit_micro / MICRO,
        "price_usd": None if alert.price_usd is None else float(alert.price_usd),
        "reasons": msgspec.json.encode(alert.reasons).decode(),
        "evidence": msgspec.json.encode(alert.evidence).decode(),
        "type": CLASS,
        "ts_event": alert.ts_bar_end_ms * NS_PER_MS,
        "ts_init": alert.ts_available_ms * NS_PER_MS,
    }
    return row


def module_text() -> str:
    """Source of the class that reads the catalog, for the strategy's side."""
    fields = "\n".join(f"    {name}: {kind}" for name, kind in FIELDS.items())
    return (
        '"""Written by `goldendog export nautilus`: the class of the alerts in this catalog."""\n\n'
        "from nautilus_trader.core.data import Data\n"
        "from nautilus_trader.model.custom import customdataclass\n\n\n"
        f'@customdataclass\nclass {CLASS}(Data):\n    """An alert of goldendog. What is unknown is '
        'None; reasons and evidence are JSON."""\n\n'
        f"{fields}\n"
    )


def stamp(ns: int) -> str:
    """A time as catalogs spell it in file names.

    >>> stamp(1_736_832_662_000_000_001)
    '2025-01-14T05-31-02-000000001Z'
    """
    whole, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H-%M-%S}-{rest:09d}Z"


def read_alerts(folder: Path) -> list[Alert]:
    """The alerts of a replay's output; raises InputFileError where it is none, or damaged."""
    path = folder / "alerts.ndjson"
    try:
        lines = path.read_bytes().splitlines()
        return [msgspec.json.decode(line, type=Alert) for line in lines]
    except FileNotFoundError:
        raise InputFileError(
            f"{folder} is no output of a replay", "name the folder that --out of `replay` named"
        ) from None
    except OSError as error:
        raise InputFileError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputFileError(f"{path} is damaged: {error}", "replay again") from None


def write_catalog(
    alerts: Iterable[Alert], catalog: Path, *, overwrite: bool = False
) -> Path | None:
    """Write alerts into a catalog, new or there already; the file, or None where there is no alert.

    Other data of the catalog is never touched; alerts that are there are replaced where
    ``overwrite`` allows, and refused else (UserError), as is a path that cannot be written.
    """
    rows = sorted((row_of(a) for a in alerts), key=lambda row: row["ts_init"])
    folder = catalog / FOLDER
    if folder.exists() and any(folder.iterdir()) and not overwrite:
        raise UserError(
            f"{folder} holds alerts already",
            "add --overwrite to replace them, or name another --out",
        )
    part = folder.with_name(f".{folder.name}.part{os.getpid()}")
    try:
        part.mkdir(parents=True)
        try:
            name = None
            if rows:
                name = f"{stamp(rows[0]['ts_init'])}_{stamp(rows[-1]['ts_init'])}.parquet"
                pq.write_table(pa.Table.from_pylist(rows, SCHEMA), part / name, compression="zstd")
            (catalog / MODULE).write_text(module_text(), "utf-8")
            if folder.exists():
                shutil.rmtree(folder)
            if name is not None:
                part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{catalog} cannot be written: {error.strerror or error}",
            "name another folder with --out",
        ) from None
    return None if name is None else folder / name
