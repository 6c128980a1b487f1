from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.columns import ARRAYS
from detectors.hashing import text_fingerprint
from schemas.errors import InputFileError, UserError
from schemas.records import Heartbeat, Tick
from streams.files.kinds import find_files, recognise
from streams.files.lines import read_lines
from streams.files.order import scan
from streams.files.rows import BadRecord, Decoded
from streams.files.write import write_records
from tests.helpers.records import T0, TICK, TOKENS, chunks_of, rows_of_chunks

GOOD = b'{"type":"heartbeat","id":"h%d","ts_event_ms":1736812800000}'
MENTION: dict[str, Any] = {
    "type": "mention",
    "id": "m",
    "ts_event_ms": T0,
    "platform": "x",
    "author_id": "a",
    "text": "hi",
}


def decode(path: Path) -> list[Decoded]:
    return [chunk.decode() for chunk in chunks_of(path)]


def ids_of(path: Path) -> list[str]:
    """Ids of the rows a replay makes of a file."""
    return [row[1] for row in rows_of_chunks(chunks_of(path))]


def bad_of(path: Path) -> list[BadRecord]:
    return [bad for decoded in decode(path) for bad in decoded.bad]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"type":"heartbeat","id":"h","ts_even', "not_json"),
        (b'{"type":"mention","id":"m","ts_event_ms":1736812800000,"platform":"x","author_id":"\xff"}', "not_utf8"),
        (b'{"type":"heartbeat","id":"' + b"x" * 10_000_000 + b'","ts_event_ms":1}', "too_large"),
        (b"nonsense", "not_json"),
        (b'{"type":"post","id":"h","ts_event_ms":1736812800000}', "unknown_type"),
        (b'{"type":"heartbeat","id":"h","ts_event_ms":1736812800}', "bad_time"),
        (b'{"type":"heartbeat","id":"h","ts_event_ms":1736812800000000}', "bad_time"),
        (b'{"type":"heartbeat","id":"h","ts_event_ms":1736812800000000000}', "bad_time"),
        (b'{"type":"tick","id":"t","ts_event_ms":1736812800000,"token":"MOMO","price_usd":1,"value_usd":1,"side":"buy","trader_id":"w"}', "bad_token"),
        (b'{"type":"tick","id":"t","ts_event_ms":1736812800000,"token":"x","price_usd":NaN,"value_usd":1,"side":"buy","trader_id":"w"}', "bad_number"),
        (b"[" * 50_000, "wrong_shape"),
    ],
)  # fmt: skip
def test_a_bad_line_is_kept_with_its_place_and_stops_nothing(
    tmp_path: Path, line: bytes, code: str
) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\n".join([GOOD % 1, line, b"", b"  \r", GOOD % 2]))
    found = decode(path)
    assert [(b.error.code, b.place) for d in found for b in d.bad] == [(code, f"{path}:2")]
    assert sum(d.counts["heartbeat"] for d in found) == 2
    assert all(len(b.raw) <= 65_536 for d in found for b in d.bad)


def test_the_last_line_may_be_long_bad_or_without_an_end(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(GOOD % 1 + b"\n" + b"y" * 300_000)
    assert [(b.error.code, b.place) for b in bad_of(path)] == [("too_large", f"{path}:2")]
    path.write_bytes(b"\xef\xbb\xbf" + GOOD % 1 + b"\r\n" + GOOD % 2)
    assert not bad_of(path)


@pytest.mark.parametrize("block", [1, 2, 7, 64, 1 << 18])
def test_lines_do_not_depend_on_blocks(tmp_path: Path, block: int) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\n\nabc\n" + b"z" * 70_000 + b"\n x \r\n\nlast")
    file = recognise(path)
    found = [(n, raw[:8], size) for n, raw, size in read_lines(file, block)]
    assert found == [(3, b"abc", 3), (4, b"zzzzzzzz", 70_000), (5, b"x", 1), (7, b"last", 4)]


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.ndjson.zst", "a.parquet"])
def test_an_empty_file_holds_no_records(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert decode(tmp_path / name) == []


def test_a_packed_file_of_several_frames_is_read_whole(tmp_path: Path) -> None:
    lines = [GOOD % i + b"\n" for i in range(3)]
    (tmp_path / "a.ndjson.gz").write_bytes(b"".join(map(gzip.compress, lines)))
    (tmp_path / "a.ndjson.zst").write_bytes(b"".join(map(zstandard.compress, lines)))
    for ending in ("gz", "zst"):
        assert sum(d.counts["heartbeat"] for d in decode(tmp_path / f"a.ndjson.{ending}")) == 3


def _write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


ARROW = pa.BufferOutputStream()
BIG = b"".join(GOOD % i + b"\n" for i in range(1000))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.ndjson", b"PAR1" + b"\0" * 100, "holds Parquet; rename it to end in .parquet"),
        ("a.parquet", GOOD % 1, "holds text; rename it to end in .ndjson"),
        ("a.ndjson", gzip.compress(BIG), "holds gzip; rename it to end in .ndjson.gz"),
        ("a.ndjson.gz", BIG, "is named as gzip but holds text"),
        ("a.ndjson", b"SQLite format 3\0abc", "an SQLite database"),
        ("a.ndjson", b"\x89PNG\r\n\x1a\n\0\0", "binary data"),
        ("a.ndjson", b'\n [{"type":"tick"}]', "one JSON array; write one record a line"),
        ("a.ndjson", b"id,price\n1,2\n", "looks like CSV"),
        ("a.ndjson", b"<!doctype html>", "HTML"),
        ("a.csv", b"id,price\n1,2\n", "no kind that is read here"),
        ("a.parquet", b"PAR1", "cut short"),
        ("a.parquet", b"PAR1" + b"x" * 500, "cut short or damaged"),
        ("a.ndjson.gz", gzip.compress(BIG)[:-9], "cut short or damaged"),
        ("a.ndjson.gz", gzip.compress(BIG)[:200] + b"\0" * 200, "cut short or damaged"),
        ("a.ndjson.zst", zstandard.compress(BIG)[:-9], "cut short or damaged"),
        ("a.ndjson.zst", zstandard.compress(BIG)[:100] + b"\0" * 100, "cut short or damaged"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=str(path)) as caught:
        scan(recognise(path))
    assert words in str(caught.value)


def test_a_missing_file_and_a_folder_without_records_say_so(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no records")
    for paths, words in (
        ([tmp_path / "x.ndjson"], "no such file"),
        ([tmp_path], "holds no files of records"),
        ([], "no input was named"),
        (["/dev/null"], "no regular file"),
    ):
        with pytest.raises(InputFileError, match=words):
            find_files(paths)


def test_a_folder_is_searched_in_order_and_only_for_records(tmp_path: Path) -> None:
    for name in ("b.ndjson", "a/c.jsonl", ".hidden.ndjson", "_tmp/x.ndjson", "note.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(GOOD % 1)
    out = tmp_path / "out"
    out.mkdir()
    for name in ("summary.json", "alerts.ndjson", "dead_letters.ndjson"):
        (out / name).write_text("{}")
    found = find_files([tmp_path, tmp_path / "b.ndjson"])
    assert [f.path.name for f in found] == ["c.jsonl", "b.ndjson"]


def test_a_name_that_is_no_file_of_records_is_refused_before_writing(tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet.gz", "a"):
        with pytest.raises(UserError, match=r"let it end in \.ndjson"):
            write_records([], tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_records([Heartbeat("h", T0)], tmp_path / "file" / "a.ndjson")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text("before")

    def broken() -> Any:
        yield Heartbeat("h", T0)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_records(broken(), path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def parquet(path: Path, rows: list[dict[str, Any]], **types: pa.DataType) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    arrays = [pa.array([row.get(n) for row in rows], types.get(n)) for n in names]
    pq.write_table(pa.table(arrays, names=names), path)
    return path


@pytest.mark.parametrize("column", list(TICK))
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    row = {name: value for name, value in TICK.items() if name != column}
    path = parquet(tmp_path / "a.parquet", [row])
    with pytest.raises(InputFileError, match=f"no column '{column}'"):
        decode(path)


@pytest.mark.parametrize(
    ("column", "value", "wanted"),
    [
        ("ts_event_ms", 1.5, "not int64 or timestamp"),
        ("ts_event_ms", "2025-01-14", "is string"),
        ("price_usd", True, "is bool, not double"),
        ("id", 7, "is int64, not string"),
        ("order", "x", "is string, not int64"),
    ],
)
def test_a_mistyped_column_is_named(
    tmp_path: Path, column: str, value: object, wanted: str
) -> None:
    path = parquet(tmp_path / "a.parquet", [TICK | {column: value}])
    with pytest.raises(InputFileError, match=f"column '{column}'") as caught:
        decode(path)
    assert wanted in str(caught.value)
    float32 = parquet(tmp_path / "b.parquet", [TICK], price_usd=pa.float32())
    with pytest.raises(InputFileError, match="column 'price_usd' is float"):
        decode(float32)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price_usd": float("nan")}, "bad_number"),
        ({"price_usd": float("inf")}, "bad_number"),
        ({"price_usd": 0.0}, "bad_number"),
        ({"price_usd": -1.0}, "bad_number"),
        ({"price_usd": 1e13}, "bad_number"),
        ({"price_usd": 1e-31}, "bad_number"),
        ({"price_usd": None}, "wrong_shape"),
        ({"value_usd": -0.01}, "bad_number"),
        ({"liquidity_usd": -1.0}, "bad_number"),
        ({"ts_event_ms": T0 // 1000}, "bad_time"),
        ({"ts_event_ms": T0 * 1000}, "bad_time"),
        ({"ts_event_ms": None}, "wrong_shape"),
        ({"ts_log_ms": T0 * 1000}, "bad_time"),
        ({"side": "swap"}, "wrong_shape"),
        ({"side": None}, "wrong_shape"),
        ({"token": "MOMO"}, "bad_token"),
        ({"token": None}, "wrong_shape"),
        ({"id": ""}, "wrong_shape"),
        ({"trader_id": "w" * 257}, "wrong_shape"),
        ({"order": 2**62 + 1}, "bad_number"),
        ({"type": "trade"}, "unknown_type"),
        ({"type": None}, "wrong_shape"),
        ({"record": "nonsense"}, "not_json"),
    ],
)
def test_a_bad_row_is_kept_with_its_place(
    tmp_path: Path, change: dict[str, Any], code: str
) -> None:
    rows = [TICK, TICK | change, TICK | {"id": "t3"}]
    path = parquet(tmp_path / "a.parquet", rows)
    (found,) = decode(path)
    assert [(b.error.code, b.place) for b in found.bad] == [(code, f"{path}:2")]
    assert found.counts["tick"] == 2 and ids_of(path) == ["t", "t3"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"tokens": [TOKENS[0], "MOMO"]}, "bad_token"),
        ({"tokens": [TOKENS[0]] * 17}, "wrong_shape"),
        ({"platform": "p" * 33}, "wrong_shape"),
        ({"platform": None}, "wrong_shape"),
        ({"author_id": None}, "wrong_shape"),
        ({"reach": -1}, "wrong_shape"),
        ({"reach": 10**12 + 1}, "bad_number"),
        ({"text": "x" * 20_001}, "wrong_shape"),
        ({"text": "金" * 20_000 + "."}, "wrong_shape"),
        ({"text": "金" * 20_000 + "", "lang": "\U0001f436" * 2000}, "too_large"),
        ({"ts_post_ms": 5}, "bad_time"),
    ],
)
def test_a_bad_mention_is_kept_with_its_place(
    tmp_path: Path, change: dict[str, Any], code: str
) -> None:
    good = MENTION | {"id": "m2", "text": "金狗"}
    path = parquet(tmp_path / "a.parquet", [MENTION | change, good])
    (found,) = decode(path)
    assert [(b.error.code, b.place) for b in found.bad] == [(code, f"{path}:1")]
    assert ids_of(path) == ["m2"]


def test_other_types_that_say_the_same_are_taken(tmp_path: Path) -> None:
    from decimal import Decimal

    ours = Tick("t", T0, TOKENS[0], "0.000000000001", 10, "buy", "w", ts_log_ms=T0 + 1)
    write_records([ours], tmp_path / "a.parquet")
    expected = rows_of_chunks(chunks_of(tmp_path / "a.parquet"))
    row = TICK | {"ts_log_ms": T0 + 1}
    for price, value, kinds in (
        ("0.000000000001", 10, {}),
        (Decimal("0.000000000001"), Decimal(10), {}),
        (1e-12, 10, {"value_usd": pa.int32()}),
        (1e-12, 10.0, {"ts_log_ms": pa.timestamp("ms", "UTC"), "id": pa.large_string()}),
        (1e-12, 10.0, {"token": pa.dictionary(pa.int32(), pa.string())}),
    ):
        path = parquet(
            tmp_path / "b.parquet", [row | {"price_usd": price, "value_usd": value}], **kinds
        )
        assert rows_of_chunks(chunks_of(path)) == expected
    us = parquet(
        tmp_path / "c.parquet",
        [row | {"ts_log_ms": (T0 + 1) * 1000, "price_usd": 1e-12, "mine": object.__name__}],
        ts_log_ms=pa.timestamp("us"),
    )
    assert rows_of_chunks(chunks_of(us)) == expected


def test_text_that_is_not_utf8_spoils_its_row_alone(tmp_path: Path) -> None:
    texts = [b"$MOMO fine", b"\xff\xfe", b"$MOMO caf\xc3\xa9"]
    rows = [MENTION | {"id": f"m{i}", "text": None} for i in range(3)]
    table = pa.Table.from_pylist(rows)
    latin = pa.array(texts, pa.binary()).view(pa.string())  # what a careless writer leaves behind
    table = table.set_column(table.schema.get_field_index("text"), "text", latin)
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    (found,) = decode(path)
    assert [(b.error.code, b.place) for b in found.bad] == [("not_utf8", f"{path}:2")]
    rows = rows_of_chunks(chunks_of(path))
    assert [row[1] for row in rows] == ["m0", "m2"]
    prints = {row[1 + ARRAYS.index("a")] for row in rows}
    assert prints == {text_fingerprint("fine"), text_fingerprint("café")}


@pytest.mark.parametrize("ending", [".ndjson", ".ndjson.gz", ".ndjson.zst", ".parquet"])
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_damaged_file_is_refused_or_read_and_never_breaks(
    ending: str, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{ending}"
        write_records(
            [Tick(f"t{i}", T0 + i, TOKENS[0], 0.5, 10, "buy", "w") for i in range(40)], path
        )
        raw = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(raw) - 1))
            raw[at] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(raw)) | st.just(len(raw)))
        path.write_bytes(raw[:cut])
        with suppress(InputFileError):
            rows_of_chunks(chunks_of(path))
