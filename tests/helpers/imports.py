"""Small files in the layouts of the sources that are imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streams.cli.main import exit_code

MINT = "2BZn3dwscTEFq2xfdoGcxM6KifMmY493oCYtaFBU6VSU"
OTHER = "So11111111111111111111111111111111111111112"
T0_S = 1_736_812_800


def swap(second: int = 0, **changes: Any) -> dict[str, Any]:
    """A swap of 2 SOL at a price of 1e-6 SOL."""
    return {
        "mint": MINT, "ts": T0_S + second, "side": "buy", "price_sol": 1e-6, "sol": 2.0,
        "tokens": 2e6, "trader": f"w{second}", "tx": f"tx{second}", "venue": "PUMP_AMM", **changes,
    }  # fmt: skip


def trade(ms: int = 0, **changes: Any) -> dict[str, Any]:
    """A trade of 100 APPC at 1e-6 BTC, in the layout of recordings around events."""
    return {
        "event": "APPC_first", "ts_ms": T0_S * 1000 + ms, "side": "buy", "price": 1e-6,
        "amount": 100.0, **changes,
    }  # fmt: skip


def table(path: Path, rows: list[dict[str, Any]], **types: pa.DataType) -> Path:
    """Rows as Parquet or CSV, by the name of the path."""
    if path.suffix == ".parquet":
        whole = pa.Table.from_pylist(rows)
        for name, kind in types.items():
            at = whole.schema.get_field_index(name)
            whole = whole.set_column(at, name, whole[name].cast(kind))
        pq.write_table(whole, path)
        return path
    lines = [",".join(rows[0])]
    lines += [",".join("" if v is None else str(v) for v in row.values()) for row in rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def imported(capsys: Any, *args: object) -> dict[str, Any]:
    """What ``goldendog import ... --json`` reports."""
    code = exit_code(["import", *map(str, args), "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def refused(capsys: Any, *args: object) -> str:
    """The one sentence with which an import is refused."""
    assert exit_code(["import", *map(str, args)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "bug" not in err, err
    return str(err)


def records(folder: Path) -> list[dict[str, Any]]:
    """The records of an import, without what is null, the heartbeat last."""
    rows = pq.read_table(folder / "records.parquet").to_pylist()
    return [{k: v for k, v in row.items() if v is not None} for row in rows]


def rejected(folder: Path) -> list[dict[str, Any]]:
    """The rows an import rejected."""
    lines = (folder / "_rejected.ndjson").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]
