"""The HTTP door on loopback, over a real log: what users really send."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard

from schemas.decode import decode_record
from schemas.errors import BusyError, ConfigError, StateError, UserError
from schemas.records import Heartbeat, Record
from schemas.topics import MENTIONS, TICKS, TOKEN_INFO
from streams.metrics.metrics import Metrics
from streams.web.app import make_web_app, serve
from streams.web.health import Health
from streams.web.records import Limits
from streams.web.token import Token, token_file
from tests.helpers.served import TOKEN, door, mention, tick


async def test_what_is_acknowledged_is_in_the_log(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        status, told = await d.post(b"\n".join([mention(1), b"", tick(1), mention(2)]) + b"\n")
        assert status == 200
        assert told == {
            "accepted": 3,
            "rejected": 0,
            "lines": 4,
            "errors": [],
            "errors_not_listed": 0,
        }
        kept = [decode_record(v).id for v in await d.values(MENTIONS)]
        assert sorted(kept) == ["m1", "m2"]
        [kept_tick] = await d.values(TICKS)
        assert json.loads(kept_tick)["token"].endswith("d359")


async def test_a_bad_line_is_named_and_stops_nothing(tmp_path: Path) -> None:
    bad: list[tuple[bytes, str, str, str]] = [
        (mention(1)[:-20], "not_json", "", "one JSON object a line"),
        (b'{"type":"mention","id":"\xff\xfe"}', "not_utf8", "", "UTF-8"),
        (tick(2).replace(b"0.5", b"NaN"), "bad_number", "", "leave the field out"),
        (tick(3).replace(b"0.5", b"-Infinity"), "bad_number", "", "leave the field out"),
        (tick(4, price_usd=0), "bad_number", "price_usd", "without a price"),
        (tick(5, price_usd=-1), "bad_number", "price_usd", "without a price"),
        (tick(6, price_usd="1e400"), "bad_number", "price_usd", ""),
        (tick(7, side="hold"), "wrong_shape", "side", "goldendog schema"),
        (tick(8, token="MOMO"), "bad_token", "token", "solana:"),
        (mention(9, type="tweet"), "unknown_type", "type", "mention, tick"),
        (mention(10, ts_event_ms=1_736_812_800), "bad_time", "ts_event_ms", "multiply by 1000"),
        (
            mention(11, ts_event_ms=1_736_812_800_000_000),
            "bad_time",
            "ts_event_ms",
            "divide by 1000",
        ),
        (mention(12, author_id=7), "wrong_shape", "author_id", ""),
        (b"[" + mention(13) + b"]", "wrong_shape", "", "jq -c"),
        (b"\x00\x01\x02", "not_json", "", ""),
        (b"null", "wrong_shape", "", ""),
        (b"[" * 60_000, "wrong_shape", "", "jq -c"),
        (b'{"a":' * 9_000, "not_json", "", ""),
    ]
    async with door(tmp_path) as d:
        for line, code, field, remedy in bad:
            status, told = await d.post(b"\n".join([mention(100), line, mention(101)]))
            assert status == 207, (line[:80], told)
            assert (told["accepted"], told["rejected"], told["lines"]) == (2, 1, 3)
            [error] = told["errors"]
            assert (error["line"], error["code"], error["field"]) == (2, code, field), error
            assert remedy in error["remedy"], error
            assert error["problem"]
        letters = await d.letters()
        assert [letter.code for letter in letters] == [code for _, code, _, _ in bad]
        assert [letter.raw for letter in letters] == [line for line, _, _, _ in bad]
        assert all(letter.place.endswith(":2") for letter in letters)
        assert len(await d.values(MENTIONS)) == 2 * len(bad)
        _, page, _ = await d.get("/metrics")
        assert 'goldendog_records_total{outcome="bad_time",source="http"} 2.0' in page
        assert f'outcome="accepted",source="http"}} {2 * len(bad)}.0' in page
        assert 'goldendog_dead_letters_total{code="not_utf8",source="http"} 1.0' in page


async def test_a_line_of_ten_megabytes_costs_only_itself(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        long = mention(2, text="x" * 10_000_000)
        status, told = await d.post(io.BytesIO(b"\n".join([mention(1), long, mention(3)])))
        assert status == 207
        assert told["accepted"] == 2
        [error] = told["errors"]
        assert (error["line"], error["code"]) == (2, "too_large")
        assert "65,536" in error["remedy"]
        [letter] = await d.letters()
        assert letter.raw == long[:1024]


async def test_errors_are_listed_to_a_point_and_counted_beyond(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        status, told = await d.post(b"{}\n" * 250)
        assert status == 400
        assert (told["accepted"], told["rejected"]) == (0, 250)
        assert len(told["errors"]) == 100
        assert told["errors_not_listed"] == 150
        assert len(await d.letters()) == 250


@pytest.mark.parametrize("body", [b"", b"\n\n \n"])
async def test_an_empty_body_is_told_as_such(tmp_path: Path, body: bytes) -> None:
    async with door(tmp_path) as d:
        status, told = await d.post(body)
        assert (status, told["error"]["problem"]) == (400, "the body holds no records")


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer wrong-token-wrong-token", f"Basic {TOKEN}", TOKEN, "Bearer \xff"],
)
async def test_without_the_token_nothing_is_read(tmp_path: Path, authorization: str) -> None:
    async with door(tmp_path) as d:
        status, told = await d.post(mention(1), Authorization=authorization)
        assert status == 401
        assert "Authorization: Bearer" in told["error"]["remedy"]
        status, _, answer = await d.get("/v1/alerts", Authorization=authorization)
        assert status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert await d.values(MENTIONS) == []


async def test_what_is_not_ndjson_is_refused(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        status, told = await d.post(b"a=b", Content_Type="application/x-www-form-urlencoded")
        assert status == 415
        assert "application/x-ndjson" in told["error"]["remedy"]
        status, told = await d.post(b"x", Content_Encoding="br")
        assert status == 415
        assert "gzip or zstd" in told["error"]["remedy"]
        status, told, _ = await d.get("/v1/records")
        assert status == 405
        assert "POST /v1/records" in told["error"]["remedy"]
        assert (await d.get("/nothing"))[0] == 404


def _gzip_bomb(size: int) -> bytes:
    packer = zlib.compressobj(6, wbits=31)
    block = b" " * 1_000_000
    packed = b"".join(packer.compress(block) for _ in range(size // len(block)))
    return packed + packer.flush()


async def test_packed_bodies_are_unpacked_and_bombs_do_not_go_off(tmp_path: Path) -> None:
    lines = b"\n".join(mention(i) for i in range(5_000))
    zstd = zstandard.ZstdCompressor()
    async with door(tmp_path, Limits(max_unpacked_bytes=8_000_000)) as d:
        for i, (packed, name) in enumerate(
            (
                (gzip.compress(lines), "gzip"),
                (gzip.compress(lines[:1000]) + gzip.compress(lines[1000:]), "gzip"),
                (zstd.compress(lines), "zstd"),
                (zstd.compress(lines[:1000]) + zstd.compress(lines[1000:]), "ZSTD"),
            )
        ):
            status, told = await d.post(packed, Content_Encoding=name)
            assert (status, told["accepted"]) == (200, 5_000)
            assert len(await d.values(MENTIONS)) == 5_000 * (i + 1)
        for bomb, name in (
            (_gzip_bomb(200_000_000), "gzip"),
            (zstd.compress(b" " * 200_000_000), "zstd"),
        ):
            assert len(bomb) < 250_000
            status, told = await d.post(bomb, Content_Encoding=name)
            assert status == 413
            assert "unpacks to more than 8,000,000 bytes" in told["error"]["problem"]
        for damaged, name in (
            (gzip.compress(lines)[:-30], "gzip"),
            (zstd.compress(lines)[:-30], "zstd"),
            (lines, "gzip"),
            (lines, "zstd"),
        ):
            status, told = await d.post(damaged, Content_Encoding=name)
            assert status == 400, told
            assert "packed" in told["error"]["remedy"]
            # What is told to be durable is: the lines read before the damage.
        page = (await d.get("/metrics"))[1]
        kept = len(await d.values(MENTIONS))
        assert f'goldendog_records_total{{outcome="accepted",source="http"}} {kept}.0' in page


async def test_sizes_are_limited_and_what_came_before_is_told(tmp_path: Path) -> None:
    limits = Limits(max_body_bytes=20_000, max_lines=50)
    async with door(tmp_path, limits) as d:
        status, told = await d.post(b"x" * 20_001)
        assert (status, told["error"]["problem"]) == (413, "the body is larger than 20,000 bytes")

        async def chunks() -> AsyncIterator[bytes]:
            for i in range(40):
                yield mention(i, text="y" * 900) + b"\n"
                await asyncio.sleep(0)

        status, told = await d.post(chunks())
        assert status == 413
        assert 0 < told["accepted"] < 40
        assert told["accepted"] == told["lines"] == len(await d.values(MENTIONS))
        status, told = await d.post(b"{}\n" * 60)
        assert status == 413
        assert "more than 50 lines" in told["error"]["problem"]


async def test_a_body_cut_short_keeps_its_whole_lines(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        _, writer = await asyncio.open_connection("127.0.0.1", d.port)
        body = mention(1) + b"\n" + mention(2)[:30]
        head = (
            f"POST /v1/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/x-ndjson\r\nContent-Length: {len(body) + 100}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        await d.arrived(MENTIONS)
        writer.close()
        await writer.wait_closed()
        assert (await d.post(mention(3)))[0] == 200
        assert len(await d.values(MENTIONS)) == 2
        assert await d.letters() == []  # half a line is no record, good or bad


async def test_a_slow_body_is_given_up(tmp_path: Path) -> None:
    async with door(tmp_path, Limits(body_timeout_s=0.3)) as d:

        async def slow() -> AsyncIterator[bytes]:
            yield mention(1) + b"\n"
            await asyncio.sleep(30)

        status, told = await d.post(slow())
        assert status == 408
        assert told["accepted"] == 1


async def test_too_many_at_once_are_told_to_come_back(tmp_path: Path) -> None:
    async with door(tmp_path, Limits(max_requests=1)) as d:
        release = asyncio.Event()

        async def held() -> AsyncIterator[bytes]:
            yield mention(1) + b"\n"
            await release.wait()

        first = asyncio.create_task(d.post(held()))
        await d.arrived(MENTIONS)
        status, told = await d.post(mention(2))
        assert status == 503
        assert "try again" in told["error"]["remedy"]
        release.set()
        assert (await first)[0] == 200
        assert (await d.post(mention(2)))[0] == 200


class FullDisk:
    """Takes one batch, then the disk is full."""

    def __init__(self) -> None:
        self.taken = 0

    async def append(self, records: Sequence[Record]) -> None:
        if self.taken:
            raise StateError("database or disk is full")
        self.taken = len(records)


async def test_a_log_that_fails_is_503_and_acknowledges_no_more(tmp_path: Path) -> None:
    async with door(tmp_path, sink=FullDisk()) as d:
        status, told = await d.post(b"\n".join(mention(i) for i in range(1_500)))
        assert status == 503
        assert 0 < told["accepted"] <= 1_000
        assert "later" in told["error"]["remedy"]


async def test_heartbeats_and_gaps_reach_every_partition_of_their_topic(tmp_path: Path) -> None:
    at = 1_736_812_800_000
    gap = {"type": "gap", "id": "g", "ts_event_ms": at, "ts_from_ms": at, "ts_until_ms": at}
    async with door(tmp_path) as d:
        for_one = json.dumps(gap | {"reason": "dead", "topic": TICKS}).encode()
        for_all = json.dumps(gap | {"reason": "dead"}).encode()
        assert (await d.post(for_one))[0] == 200
        assert [len(await d.values(t)) for t in (MENTIONS, TICKS, TOKEN_INFO)] == [0, 2, 0]
        assert (await d.post(for_all))[0] == 200
        assert [len(await d.values(t)) for t in (MENTIONS, TICKS, TOKEN_INFO)] == [2, 4, 2]
        status, told = await d.post(json.dumps(gap | {"reason": "", "topic": "ticks"}).encode())
        assert status == 400
        assert told["errors"][0]["field"] == "topic"
        assert TICKS in told["errors"][0]["remedy"]


@pytest.mark.parametrize("stamp", ["append", "recorded"])
async def test_log_times_of_records_count_only_where_logs_are_recorded(
    tmp_path: Path, stamp: str
) -> None:
    recorded_ms = 1_736_812_900_000
    async with door(tmp_path, stamp=stamp) as d:
        await d.post(mention(1, ts_log_ms=recorded_ms))
        kept = [r for p in range(2) for r in await d.log.read(MENTIONS, p, 0)]
        times = [
            r.timestamp for r in kept if not isinstance(decode_record(r.value or b""), Heartbeat)
        ]
        assert (times == [recorded_ms]) == (stamp == "recorded")


async def test_a_port_in_use_is_one_clear_sentence(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        app = make_web_app(None, Metrics("0"), Health())
        with pytest.raises(BusyError, match=f"port {d.port} of 127.0.0.1 is used.*http.port"):
            await serve(app, "127.0.0.1", d.port)
    with pytest.raises(UserError, match="no address of this machine"):
        await serve(make_web_app(None, Metrics("0"), Health()), "192.0.2.1", 0)


async def test_health_and_readiness_give_reasons(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        assert (await d.get("/healthz", Authorization=""))[0] == 200
        d.health.set("restored", "3 of 8 partitions")
        d.health.add("broken", lambda: str(1 // 0))
        status, told, _ = await d.get("/readyz", Authorization="")
        assert status == 503
        assert told["ready"] is False
        assert told["checks"]["restored"] == {"ok": False, "reason": "3 of 8 partitions"}
        assert "ZeroDivisionError" in told["checks"]["broken"]["reason"]
        d.health.set("restored", None)
        d.health.set("broken", None)
        assert (await d.get("/readyz"))[0] == 200
        d.health._lag_s = 11.0  # as after the loop was stuck
        assert (await d.get("/healthz"))[0] == 503


def test_the_token_is_hidden_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "http.token"
    made = token_file(path)
    assert token_file(path) == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert made not in f"{Token(made)!r} {Token(made)}"
    for wrong in ("short", "has white space in it", "not-ascii-тест-тест"):
        with pytest.raises(ConfigError, match="openssl rand"):
            Token(wrong)
    with pytest.raises(UserError, match="cannot be used"):
        token_file(tmp_path)


async def test_an_app_with_records_needs_a_token(tmp_path: Path) -> None:
    intake: Any = object()
    with pytest.raises(ValueError, match="token"):
        make_web_app(intake, Metrics("0"), Health())
