"""``GET /v1/alerts``: the newest alerts, then those after a cursor."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
from aiohttp import web

from schemas.errors import StateError
from schemas.records import Alert
from schemas.topics import ALERTS
from streams.log.base import Log, LogRecord
from streams.web.problem import HttpError, json_response

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1_000
CURSOR_HEADER: Final = "Goldendog-Cursor"
_DECODER: Final = msgspec.json.Decoder(Alert)
_NDJSON: Final = "application/x-ndjson"
_Found = tuple[tuple[int, str, int], bytes]


def parse_cursor(text: str, partitions: int) -> list[int]:
    """Next offset of each partition; HttpError where the text is none of ours.

    >>> parse_cursor("3.0.12", 3)
    [3, 0, 12]
    """
    parts = text.split(".")
    if len(parts) != partitions or not all(
        p.isascii() and p.isdigit() and len(p) < 19 for p in parts
    ):
        raise HttpError(
            400, "the cursor is not one of this log", "leave `after` out to get a new one"
        )
    return [int(p) for p in parts]


class AlertsDoor:
    """Reads the alerts topic.

    Parameters
    ----------
    log : holds it.
    """

    def __init__(self, log: Log) -> None:
        self._log = log

    async def get(self, request: web.Request) -> web.Response:
        """Answer ``{"alerts": [...], "cursor": ...}``, or lines where NDJSON is asked for.

        Without ``after``, the newest ``limit`` alerts; with it, up to ``limit`` that came since.
        Alerts of one answer are sorted by (bar, token, sequence).
        """
        limit = _limit_of(request.query.get("limit"))
        after = request.query.get("after")
        try:
            n = await self._log.partitions(ALERTS)
            if after is None:
                found, ends = await self._newest(n, limit)
            else:
                found, ends = await self._since(parse_cursor(after, n), limit)
        except StateError as error:
            raise HttpError(503, "the alerts cannot be read now", "try again later") from error
        alerts = [raw for _, raw in sorted(found)]
        cursor = ".".join(map(str, ends))
        if _NDJSON in request.headers.get("Accept", ""):
            return web.Response(
                body=b"".join(raw + b"\n" for raw in alerts),
                content_type=_NDJSON,
                headers={CURSOR_HEADER: cursor, "Cache-Control": "no-store"},
            )
        return json_response({"alerts": [msgspec.Raw(raw) for raw in alerts], "cursor": cursor})

    async def _newest(self, n: int, limit: int) -> tuple[list[_Found], list[int]]:
        found: list[_Found] = []
        ends: list[int] = []
        for p in range(n):
            end = await self._log.end_offset(ALERTS, p)
            offset = max(await self._log.start_offset(ALERTS, p), end - limit)
            while offset < end:
                records = await self._log.read(ALERTS, p, offset, limit)
                if not records:
                    break
                found += _found(records)
                offset = records[-1].offset + 1
            ends.append(max(offset, end))
        return sorted(found)[-limit:], ends

    async def _since(self, cursor: list[int], limit: int) -> tuple[list[_Found], list[int]]:
        found: list[_Found] = []
        ends = list(cursor)
        for p, offset in enumerate(cursor):
            room = limit - len(found)
            start = max(offset, await self._log.start_offset(ALERTS, p))
            if room > 0 and start < await self._log.end_offset(ALERTS, p):
                records = (await self._log.read(ALERTS, p, start, room))[:room]
                found += _found(records)
                ends[p] = records[-1].offset + 1 if records else start
        return found, ends


def _limit_of(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_LIMIT:
        return int(text)
    raise HttpError(400, "the limit cannot be used", f"write a number from 1 to {MAX_LIMIT}")


def _found(records: Sequence[LogRecord]) -> list[_Found]:
    """Alerts with their place in the order; what is no alert, the dispatcher dead-letters."""
    found: list[_Found] = []
    for record in records:
        raw = record.value or b""
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            alert = _DECODER.decode(raw)
            found.append(((alert.ts_bar_end_ms, alert.token, alert.sequence), raw))
    return found
