"""The first alert, bar and feature in which two runs differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import InputFileError

ALERTS: Final = "alerts.ndjson"
SCORES: Final = "scores.parquet"
SUMMARY: Final = "summary.json"
_LOW_ROWS: Final = 65_536
_KEY: Final = ("ts_bar_end_ms", "token", "sequence")
_ASIDE: Final = ("reasons", "fingerprint")


@dataclass(frozen=True)
class Difference:
    """One place in which two runs differ.

    Parameters
    ----------
    where : ``alerts`` or ``scores``.
    ts_bar_end_ms, token, kind, sequence : which alert or score; kind and sequence of alerts alone.
    what : the field or feature, or ``missing in A``, ``missing in B``.
    a, b : its two values.
    number : its line or row, from 1.
    """

    where: str
    number: int
    ts_bar_end_ms: int
    token: str
    what: str
    a: Any = None
    b: Any = None
    kind: str | None = None
    sequence: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    ``parts`` are the parts of the fingerprint that differ, with both values; ``alert`` and
    ``score`` the first difference of each beyond the fingerprint, if any; ``scores_compared``
    whether both have scores.
    """

    parts: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    alert: Difference | None = None
    score: Difference | None = None
    scores_compared: bool = False

    @property
    def same(self) -> bool:
        """Whether alerts, scores where both have them, and fingerprints are the same."""
        return self.alert is None and self.score is None and not self.parts

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"same": self.same, **asdict(self)}


def compare(a: Path, b: Path) -> Comparison:
    """Compare what two replays wrote. Raises InputFileError where a folder is no replay's output."""
    parts = _parts(_summary(a), _summary(b))
    score, compared = _first_score(a / SCORES, b / SCORES)
    return Comparison(parts, first_alert(a / ALERTS, b / ALERTS), score, compared)


def _summary(folder: Path) -> dict[str, Any]:
    try:
        summary = msgspec.json.decode((folder / SUMMARY).read_bytes(), type=dict[str, Any])
        if (folder / ALERTS).is_file():
            return summary
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        pass
    raise InputFileError(
        f"{folder} is no output of a replay", "name a folder that `goldendog replay --out` wrote"
    )


def _parts(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    found: dict[str, tuple[Any, Any]] = {}
    if a.get("fingerprint") != b.get("fingerprint"):
        found["fingerprint"] = (a.get("fingerprint"), b.get("fingerprint"))
    for name, inner in (("fingerprint_parts", ""), ("settings", "settings.")):
        left, right = a.get(name, {}), b.get(name, {})
        for key in sorted({*left, *right}):
            if left.get(key) != right.get(key):
                found[inner + key] = (left.get(key), right.get(key))
    return found


def first_alert(a: Path, b: Path) -> Difference | None:
    """The first difference of two files of alerts beyond their fingerprints; None where there is none."""
    with a.open("rb") as left, b.open("rb") as right:
        for number, (x, y) in enumerate(zip_longest(left, right), 1):
            if x != y:
                found = _alert_difference(number, _alert(x, a, number), _alert(y, b, number))
                if found is not None:
                    return found
    return None


def _alert(line: bytes | None, path: Path, number: int) -> dict[str, Any] | None:
    if line is None:
        return None
    try:
        alert = msgspec.json.decode(line, type=dict[str, Any])
        _key(alert)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
        raise InputFileError(
            f"{path}:{number} is no alert", "replay again: the file was changed or cut"
        ) from None
    return alert


def _key(alert: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(alert[name] for name in _KEY)


def _alert_difference(
    number: int, a: dict[str, Any] | None, b: dict[str, Any] | None
) -> Difference | None:
    missing = None
    if a is None or (b is not None and _key(b) < _key(a)):
        missing, named = "missing in A", b
    elif b is None or _key(a) < _key(b):
        missing, named = "missing in B", a
    else:
        named = a
    assert named is not None
    field_found = (missing, None, None) if missing else _first_field(a or {}, b or {})
    if field_found is None:
        return None
    what, x, y = field_found
    return Difference(
        "alerts",
        number,
        named["ts_bar_end_ms"],
        named["token"],
        what,
        x,
        y,
        named.get("kind"),
        named.get("sequence"),
    )


def _first_field(a: dict[str, Any], b: dict[str, Any]) -> tuple[str, Any, Any] | None:
    """The first field that differs, reasons last; None where only the fingerprint does."""
    names = [name for name in (*a, *(n for n in b if n not in a)) if name not in _ASIDE]
    for name in names:
        if a.get(name) != b.get(name):
            return name, a.get(name), b.get(name)
    left = {reason["feature"]: reason for reason in a.get("reasons", ())}
    right = {reason["feature"]: reason for reason in b.get("reasons", ())}
    for feature in (*left, *(name for name in right if name not in left)):
        x, y = left.get(feature), right.get(feature)
        if x is None or y is None:
            return f"reason {feature}", x, y
        for name in x:
            if x[name] != y.get(name):
                return f"reason {feature}: {name}", x[name], y.get(name)
    return (
        None if a.get("fingerprint") != b.get("fingerprint") else ("order of reasons", None, None)
    )


def _first_score(a: Path, b: Path) -> tuple[Difference | None, bool]:
    if not (a.is_file() and b.is_file()):
        return None, False
    try:
        left, right = pq.ParquetFile(a), pq.ParquetFile(b)
    except (pa.ArrowException, OSError) as error:
        raise InputFileError(f"{a} or {b} is no Parquet file: {error}", "replay again") from None
    with left, right:
        if not (left.metadata.num_rows and right.metadata.num_rows):
            return None, False
        if left.schema_arrow.names != right.schema_arrow.names:
            names = sorted(set(left.schema_arrow.names) ^ set(right.schema_arrow.names))
            return Difference("scores", 0, 0, "", f"column {', '.join(names) or 'order'}"), True
        before = 0
        for x, y in zip_longest(_batches(left), _batches(right)):
            if x is None or y is None or not x.equals(y):
                return _score_difference(before, x, y), True
            before += x.num_rows
    return None, True


def _batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """Batches of the same rows, however the file's row groups are cut."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in file.iter_batches(_LOW_ROWS, use_threads=False):
        held.append(batch)
        rows += batch.num_rows
        while rows >= _LOW_ROWS:
            whole = pa.Table.from_batches(held).combine_chunks()
            yield whole.slice(0, _LOW_ROWS).to_batches()[0]
            held, rows = whole.slice(_LOW_ROWS).to_batches(), rows - _LOW_ROWS
    if rows:
        yield pa.Table.from_batches(held).combine_chunks().to_batches()[0]


def _score_difference(
    before: int, x: pa.RecordBatch | None, y: pa.RecordBatch | None
) -> Difference | None:
    left = [] if x is None else x.to_pylist()
    right = [] if y is None else y.to_pylist()
    for i, (a, b) in enumerate(zip_longest(left, right)):
        if a == b:
            continue
        key = ("ts_bar_end_ms", "token")
        at_a = None if a is None else tuple(a[name] for name in key)
        at_b = None if b is None else tuple(b[name] for name in key)
        missing = None
        if at_a is None or (at_b is not None and at_b < at_a):
            missing, named = "missing in A", b
        elif at_b is None or at_a < at_b:
            missing, named = "missing in B", a
        else:
            named = a
        if missing:
            what, u, v = missing, None, None
        else:
            names = [name for name in a if name != "logit_micro"]
            what = next((n for n in names if a[n] != b[n]), "logit_micro")
            u, v = a[what], b[what]
        place = before + i + 1
        return Difference("scores", place, named["ts_bar_end_ms"], named["token"], what, u, v)
    return None
