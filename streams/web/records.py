"""``POST /v1/records``: lines of JSON, acknowledged when they are durable."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic
from typing import Final

import structlog
from aiohttp import ClientPayloadError, web

from schemas.errors import GoldendogError
from streams.web.intake import Intake, Receipt
from streams.web.lines import LineSplitter
from streams.web.problem import HttpError, json_response
from streams.web.unpack import ENCODINGS, DamagedBodyError, unpacker

CONTENT_TYPES: Final = ("application/x-ndjson", "application/jsonl", "application/json")
_log = structlog.get_logger("goldendog.web")


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Parameters
    ----------
    max_body_bytes : as sent; packed bodies count packed.
    max_unpacked_bytes : after unpacking.
    max_lines : lines a body, blank ones included.
    body_timeout_s : seconds to send the body in.
    max_requests : bodies taken at once; more are told to come back.
    """

    max_body_bytes: int = 16_777_216
    max_unpacked_bytes: int = 67_108_864
    max_lines: int = 200_000
    body_timeout_s: float = 60.0
    max_requests: int = 16


class RecordsDoor:
    """Takes bodies of records.

    Parameters
    ----------
    intake : where lines go.
    limits : what a request may ask for.
    """

    def __init__(self, intake: Intake, limits: Limits) -> None:
        self._intake = intake
        self._limits = limits
        self._under_way = 0

    async def post(self, request: web.Request) -> web.Response:
        """Answer 200 if all records are durable, 207 if some, 400 if none; or why it stopped.

        Whatever the status, ``accepted`` counts the records that are durable, and they are those of
        the first ``lines`` lines that are not among the errors.
        """
        self._check(request)
        self._under_way += 1
        try:
            return await self._take(request)
        finally:
            self._under_way -= 1

    def _check(self, request: web.Request) -> None:
        if request.content_type not in CONTENT_TYPES:
            raise HttpError(
                415,
                f"the content type is {request.content_type[:100]}",
                f"send one JSON record a line as {CONTENT_TYPES[0]}",
                {"Accept": ", ".join(CONTENT_TYPES)},
            )
        if unpacker(request.headers.get("Content-Encoding", "")) is None:
            raise HttpError(
                415,
                "the content encoding is not known",
                f"use {' or '.join(ENCODINGS[1:])}, or none",
                {"Accept-Encoding": ", ".join(ENCODINGS)},
            )
        length = request.content_length
        if length is not None and length > self._limits.max_body_bytes:
            raise self._too_large()
        if self._under_way >= self._limits.max_requests:
            raise HttpError(
                503,
                f"{self._under_way} other bodies are being taken",
                "send fewer at once; try again in a second",
                {"Retry-After": "1"},
            )

    async def _take(self, request: web.Request) -> web.Response:
        receipt, splitter = Receipt(), LineSplitter()
        place = f"http/{secrets.token_hex(6)}"
        try:
            await self._feed(request, receipt, splitter, place)
        except (HttpError, GoldendogError, ClientPayloadError, OSError, sqlite3.Error) as error:
            return _refusal(error).response(**_told(receipt, splitter))
        if receipt.accepted + receipt.rejected == 0:
            empty = HttpError(400, "the body holds no records", "send one JSON record a line")
            return empty.response(**_told(receipt, splitter))
        status = 200 if not receipt.rejected else 207 if receipt.accepted else 400
        return json_response(_told(receipt, splitter), status=status)

    async def _feed(
        self, request: web.Request, receipt: Receipt, splitter: LineSplitter, place: str
    ) -> None:
        async for plain in self._plain(request):
            await self._intake.feed(splitter.feed(plain), receipt, place=place)
            if splitter.lines > self._limits.max_lines:
                raise HttpError(
                    413,
                    f"the body has more than {self._limits.max_lines:,} lines",
                    "send the rest in further requests",
                )
        await self._intake.feed(splitter.finish(), receipt, place=place)

    async def _plain(self, request: web.Request) -> AsyncIterator[bytes]:
        """Give the body's plain bytes as they come. Raises HttpError where it passes a limit."""
        limits = self._limits
        unpack = unpacker(request.headers.get("Content-Encoding", ""))
        assert unpack is not None
        ends_at = monotonic() + limits.body_timeout_s
        packed = unpacked = 0
        while True:
            try:
                async with asyncio.timeout(ends_at - monotonic()):
                    chunk = await request.content.readany()
            except TimeoutError:
                raise HttpError(
                    408,
                    f"the body did not come within {limits.body_timeout_s:g} s",
                    "send less at once",
                ) from None
            if not chunk:
                break
            packed += len(chunk)
            if packed > limits.max_body_bytes:
                raise self._too_large()
            for piece in unpack.feed(chunk):
                unpacked += len(piece)
                if unpacked > limits.max_unpacked_bytes:
                    raise HttpError(
                        413,
                        f"the body unpacks to more than {limits.max_unpacked_bytes:,} bytes",
                        "send it in several requests",
                    )
                yield piece
        if packed:  # an empty body is told as such
            unpack.finish()

    def _too_large(self) -> HttpError:
        return HttpError(
            413,
            f"the body is larger than {self._limits.max_body_bytes:,} bytes",
            "send it in several requests, or packed with gzip or zstd",
        )


def _refusal(error: Exception) -> HttpError:
    """What to answer where a body could not be taken to its end."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, DamagedBodyError):
        return HttpError(400, str(error), "send it again, packed as its header says")
    if isinstance(error, ClientPayloadError | ConnectionError):
        return HttpError(400, "the body was cut short", "send what follows the last line")
    _log.error("records could not be kept", error=type(error).__name__, detail=str(error))
    return HttpError(
        503,
        "the log cannot take records now",
        "send what follows the last line again later",
        {"Retry-After": "5"},
    )


def _told(receipt: Receipt, splitter: LineSplitter) -> dict[str, object]:
    return {
        "accepted": receipt.accepted,
        "rejected": receipt.rejected,
        "lines": splitter.lines,
        "errors": receipt.errors,
        "errors_not_listed": receipt.rejected - len(receipt.errors),
    }
