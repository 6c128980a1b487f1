"""An answer that is an error: a status, one clear sentence, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web


class HttpError(Exception):
    """Ends a request with a JSON error.

    Parameters
    ----------
    status : HTTP status.
    problem, remedy : what was wrong, and what to do instead.
    headers : of the answer, besides the usual.
    """

    def __init__(
        self, status: int, problem: str, remedy: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(problem)
        self.status, self.problem, self.remedy = status, problem, remedy
        self.headers = dict(headers or {})

    def response(self, **more: Any) -> web.Response:
        """Give the answer; ``more`` is put beside the error."""
        return json_response(
            {"error": {"problem": self.problem, "remedy": self.remedy}, **more},
            status=self.status,
            headers=self.headers,
        )


def json_response(
    data: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Give an answer of JSON that no browser keeps or takes for something else."""
    return web.Response(
        body=msgspec.json.encode(data) + b"\n",
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        | dict(headers or {}),
    )
