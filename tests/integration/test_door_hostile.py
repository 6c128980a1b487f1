"""The door among hostile clients: slow heads, odd times and letters, bodies of any bytes."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.decode import decode_as, decode_record
from schemas.errors import RECORD_ERROR_CODES, RecordError
from schemas.topics import MENTIONS
from streams.web.records import Limits
from tests.helpers.served import NDJSON, TOKEN, Served, door, mention, tick

YEAR_1970, YEAR_2100 = 12_345, 4_102_444_800_000


async def closed_within(reader: asyncio.StreamReader, seconds: float) -> bytes:
    """What a connection still gives until the other side closes it."""
    return await asyncio.wait_for(reader.read(), seconds)


async def test_a_connection_that_asks_for_nothing_is_closed(tmp_path: Path) -> None:
    async with door(tmp_path, headers_timeout_s=0.4) as d:
        _, busy = await asyncio.open_connection("127.0.0.1", d.port)
        silent, one = await asyncio.open_connection("127.0.0.1", d.port)
        slow, two = await asyncio.open_connection("127.0.0.1", d.port)
        two.write(b"POST /v1/records HTTP/1.1\r\nHost: x\r\n")

        async def trickle() -> None:
            with suppress(ConnectionError):
                while True:  # a header a moment, for ever
                    two.write(b"X-A: b\r\n")
                    await two.drain()
                    await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        assert await closed_within(silent, 10) == b""
        with suppress(ConnectionError):
            assert await closed_within(slow, 10) == b""
        trickling.cancel()
        assert (await d.post(mention(1)))[0] == 200  # others are served meanwhile and after
        for writer in (busy, one, two):
            writer.close()


async def test_a_connection_that_has_asked_once_may_wait_and_ask_again(tmp_path: Path) -> None:
    async with door(tmp_path, headers_timeout_s=0.2) as d:
        reader, writer = await asyncio.open_connection("127.0.0.1", d.port)
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            await reader.readuntil(b"}\n")
            await asyncio.sleep(0.6)
        writer.close()


async def test_a_body_that_trickles_has_its_own_limit(tmp_path: Path) -> None:
    async with door(tmp_path, Limits(body_timeout_s=0.5), headers_timeout_s=0.1) as d:
        reader, writer = await asyncio.open_connection("127.0.0.1", d.port)
        line = mention(1) + b"\n"
        head = (
            f"POST /v1/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: {NDJSON}\r\nContent-Length: 9999\r\n\r\n"
        )
        writer.write(head.encode() + line)
        answer = await asyncio.wait_for(reader.readuntil(b'"accepted":1'), 10)
        assert answer.startswith(b"HTTP/1.1 408")
        writer.close()


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (mention(1, ts_event_ms=YEAR_1970), "bad_time", "12345 is outside 2009 to 2100"),
        (tick(1, ts_event_ms=YEAR_1970), "bad_time", "12345 is outside 2009 to 2100"),
        (mention(1, ts_event_ms=0), "bad_time", "0 is outside"),
        (mention(1, ts_event_ms=-1), "bad_time", "-1 is outside"),
        (mention(1, ts_event_ms=YEAR_2100), "bad_time", "is outside 2009 to 2100"),
        (mention(1, ts_log_ms=YEAR_2100), "bad_time", "is outside 2009 to 2100"),
        (mention(1, ts_log_ms=YEAR_1970), "bad_time", "is outside 2009 to 2100"),
        (mention(1, type="mention/v2"), "unknown_type", "mention/v2"),
        (mention(1, type="tick"), "wrong_shape", "missing required field"),
        (mention(1, type="alert"), "unknown_type", "alert"),
        (mention(1, id="x" * 257), "wrong_shape", "256"),
    ],
)
async def test_a_record_out_of_its_time_or_kind_is_named_and_kept_aside(
    tmp_path: Path, line: bytes, code: str, says: str
) -> None:
    async with door(tmp_path) as d:
        status, told = await d.post(b"\n".join([mention(7), line, mention(8)]))
        assert (status, told["accepted"], told["rejected"]) == (207, 2, 1)
        [error] = told["errors"]
        assert (error["line"], error["code"]) == (2, code)
        assert says in error["problem"] and error["remedy"]
        [letter] = await d.letters()
        assert (letter.code, letter.raw) == (code, line)
        page = (await d.get("/metrics"))[1]
        assert f'goldendog_dead_letters_total{{code="{code}",source="http"}} 1.0' in page


async def test_hidden_and_reversed_letters_are_kept_as_they_came(tmp_path: Path) -> None:
    texts = [
        "$M\u200dOMO now",
        "\u202egnp.exe\u202c $MOMO",
        "\u2066مومو\u2069",
        "\ufeff$MOMO",
        "a\x00b",
    ]
    async with door(tmp_path) as d:
        body = b"\n".join(mention(i, text=text) for i, text in enumerate(texts))
        status, told = await d.post(body)
        assert (status, told["accepted"]) == (200, len(texts))
        kept = [decode_as(v, "mention") for v in await d.values(MENTIONS)]
        assert {r.text for r in kept} == set(texts)  # type: ignore[union-attr]


async def test_a_field_of_a_later_version_is_passed_over(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        status, _ = await d.post(mention(1, schema_version=99, sentiment={"a": [1]}))
        assert status == 200
        [raw] = await d.values(MENTIONS)
        assert decode_record(raw).id == "m1"


LINES = st.one_of(
    st.integers(0, 10**6).map(mention),
    st.integers(0, 10**6).map(tick),
    st.binary(max_size=120).map(lambda raw: raw.replace(b"\n", b"")),
    st.sampled_from(
        [
            b"",
            b" ",
            b"{}",
            b"null",
            b"[" * 900,
            b'{"type":"mention"',
            b'{"type":"heartbeat","id":"h"}',
        ]
    ),
    st.tuples(st.integers(0, 999).map(mention), st.integers(0, 200), st.binary(max_size=3)).map(
        lambda cut: (cut[0][: cut[1]] + cut[2] + cut[0][cut[1] :]).replace(b"\n", b"")
    ),
)
PACKERS = {
    "": lambda body: body,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def is_record(line: bytes) -> bool:
    try:
        decode_record(line)
    except RecordError:
        return False
    return True


async def _send(d: Served, body: bytes, encoding: str) -> tuple[int, dict[str, Any]]:
    more = {"Content_Encoding": encoding} if encoding else {}
    return await asyncio.wait_for(d.post(body, **more), 20)


@given(
    st.lists(LINES, min_size=1, max_size=12),
    st.sampled_from(sorted(PACKERS)),
    st.none() | st.integers(0, 400),
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_body_gets_an_answer_and_its_good_records_are_kept(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], encoding: str, cut: int | None
) -> None:
    body = PACKERS[encoding](b"\n".join(lines))
    whole = cut is None or cut >= len(body)
    good = sum(is_record(line.strip()) for line in lines if line.strip())

    async def go() -> None:
        async with door(tmp_path_factory.mktemp("door")) as d:
            status, told = await _send(d, body[:cut], encoding)
            assert status in (200, 207, 400), (status, told)
            if whole:
                assert told["accepted"] == good
                given = sum(1 for line in lines if line.strip())
                assert told["accepted"] + told["rejected"] == given
                assert len(await d.letters()) == told["rejected"]
            assert all(each["code"] in RECORD_ERROR_CODES for each in told["errors"])
            assert (await d.post(mention(1)))[0] == 200  # and it stands

    asyncio.run(go())
