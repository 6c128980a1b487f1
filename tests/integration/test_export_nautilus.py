"""Alerts in a catalog of NautilusTrader: by its documented layout, and read back by it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.records import Alert
from streams.cli.main import exit_code
from streams.export.nautilus import FIELDS, FOLDER, MODULE, SCHEMA, read_alerts, write_catalog
from tests.helpers import nautilus
from tests.helpers.golden import GOLDEN

NS = 1_000_000


def _replayed(folder: Path) -> Path:
    out = folder / "out"
    out.mkdir()
    (out / "alerts.ndjson").write_bytes(GOLDEN.read_bytes())
    return out


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A replay's output as far as the export reads it."""
    return _replayed(tmp_path)


def _export(out: Path, catalog: Path, *more: str) -> int:
    return exit_code(["export", "nautilus", str(out), "--out", str(catalog), *more])


def test_the_layout_is_that_of_a_catalog(out: Path, tmp_path: Path) -> None:
    assert _export(out, tmp_path / "cat") == 0
    (path,) = (tmp_path / "cat" / FOLDER).iterdir()
    table = pq.read_table(path)
    # what @customdataclass makes of the class: its fields, then type, ts_event and ts_init
    types = {"str": pa.string(), "int": pa.int64(), "float": pa.float64()}
    assert table.schema.names == [*FIELDS, "type", "ts_event", "ts_init"]
    assert [table.schema.field(name).type for name in FIELDS] == [types[k] for k in FIELDS.values()]
    rows = table.to_pylist()
    times = [row["ts_init"] for row in rows]
    assert times == sorted(times)
    ends = [datetime.fromtimestamp(ns // 1_000_000_000, UTC) for ns in (times[0], times[-1])]
    first, last = (f"{end:%Y-%m-%dT%H-%M-%S}-000000000Z" for end in ends)
    assert path.name == f"{first}_{last}.parquet"
    alerts = {a.alert_id: a for a in read_alerts(out)}
    assert len(rows) == len(alerts) > 20
    for row in rows:
        alert = alerts[row["alert_id"]]
        assert row["type"] == "GoldenDogAlert"
        assert row["ts_event"] == alert.ts_bar_end_ms * NS
        assert row["ts_init"] == alert.ts_available_ms * NS
        assert row["ts_init"] > row["ts_event"]  # known only after the bar has closed
        assert row["price_usd"] == float(alert.price_usd or "nan")
        assert row["symbol"] == alert.symbol
        assert json.loads(row["evidence"]) == list(alert.evidence)
        assert json.loads(row["reasons"]) == list(msgspec.to_builtins(alert.reasons))
        assert row["price_share_of_peak"] == alert.price_share_of_peak  # None stays None


def test_alerts_are_replaced_only_when_told_and_other_data_never(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = tmp_path / "cat"
    other = catalog / "data" / "trade_tick" / "X.Y" / "a.parquet"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"theirs")
    assert _export(out, catalog) == 0
    assert _export(out, catalog) == 2
    assert "add --overwrite" in capsys.readouterr().err
    lines = (out / "alerts.ndjson").read_bytes().splitlines(keepends=True)
    (out / "alerts.ndjson").write_bytes(b"".join(lines[:3]))
    assert _export(out, catalog, "--overwrite", "--json") == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["alerts"] == 3
    assert pq.read_table(report["file"]).num_rows == 3
    assert [p.name for p in (catalog / FOLDER).iterdir()] == [Path(report["file"]).name]
    assert other.read_bytes() == b"theirs"
    assert sorted(p.name for p in (catalog / "data").iterdir()) == [FOLDER.name, "trade_tick"]


def test_no_alerts_no_output_and_damaged_output(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (out / "alerts.ndjson").write_bytes(b"")
    assert _export(out, tmp_path / "none") == 0
    assert "holds no alerts" in capsys.readouterr().out
    assert not (tmp_path / "none" / FOLDER).exists()
    (out / "alerts.ndjson").write_bytes(b'{"type":"alert"')
    assert _export(out, tmp_path / "bad") == 2
    assert not (tmp_path / "bad").exists()
    assert _export(tmp_path, tmp_path / "bad") == 2
    assert "is no output of a replay" in capsys.readouterr().err
    assert _export(GOLDEN.parent, tmp_path / "bad") == 2
    (tmp_path / "file").write_text("")
    (out / "alerts.ndjson").write_bytes(GOLDEN.read_bytes())
    assert _export(out, tmp_path / "file") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_the_module_defines_the_class_of_the_columns(out: Path, tmp_path: Path) -> None:
    assert _export(out, tmp_path / "cat") == 0
    source = (tmp_path / "cat" / MODULE).read_text("utf-8")
    names: dict[str, Any] = {}
    body = source.split("\n\n\n")[1].replace("@customdataclass\n", "").replace("(Data)", "")
    exec(compile(body, MODULE, "exec", dont_inherit=True), names)
    annotations = names["GoldenDogAlert"].__annotations__
    assert {name: kind.__name__ for name, kind in annotations.items()} == FIELDS


class Reading(NamedTuple):
    """Alerts in the order of when they were known, and what the real NautilusTrader told of them."""

    alerts: list[Alert]
    since_ns: int
    ours: Path
    anew: Path
    told: Any


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """The golden alerts in a catalog that it read, and wrote anew."""
    folder = tmp_path_factory.mktemp("nautilus")
    ours, anew = folder / "ours", folder / "anew"
    alerts = sorted(read_alerts(_replayed(folder)), key=lambda a: a.ts_available_ms)
    assert write_catalog(alerts, ours) is not None
    since_ns = alerts[10].ts_available_ms * NS
    return Reading(alerts, since_ns, ours, anew, nautilus.read(ours, since_ns, anew))


def test_nautilus_reads_the_catalog_and_hands_each_alert_over_when_it_was_known(
    reading: Reading,
) -> None:
    known = [[a.alert_id, a.ts_available_ms * NS] for a in reading.alerts]
    assert reading.told["schema"] == SCHEMA.to_string()
    assert reading.told["types"] == [FOLDER.name]
    assert reading.told["alerts"] == known
    assert reading.told["since"] == [name for name, ns in known if ns >= reading.since_ns]
    assert reading.told["handed_over"] == known


def test_our_file_is_the_one_nautilus_writes(reading: Reading) -> None:
    (ours,) = reading.ours.rglob("*.parquet")
    (theirs,) = reading.anew.rglob("*.parquet")
    assert theirs.relative_to(reading.anew) == ours.relative_to(reading.ours)
    assert pq.read_table(theirs).equals(pq.read_table(ours))
