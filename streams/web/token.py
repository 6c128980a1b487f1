"""The bearer token of the door: compared in constant time, shown to nobody."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from schemas.errors import ConfigError, UserError

MIN_CHARS: Final = 16
_REMEDY: Final = (
    f"use {MIN_CHARS} or more letters, digits, - and _: `openssl rand -hex 24` makes some"
)


class Token:
    """What a client must show.

    Parameters
    ----------
    text : ConfigError where it is short, or holds what a header cannot.

    Examples
    --------
    >>> token = Token("0123456789abcdef")
    >>> token, token.admits("Bearer 0123456789abcdef"), token.admits("Bearer guess")
    (Token('***'), True, False)
    """

    __slots__ = ("_digest",)

    def __init__(self, text: str) -> None:
        if len(text) < MIN_CHARS:
            raise ConfigError(f"the HTTP token has {len(text)} characters", _REMEDY)
        if not (text.isascii() and text.isprintable()) or " " in text:
            raise ConfigError("the HTTP token holds white space or other than ASCII", _REMEDY)
        self._digest = _digest(text)

    def admits(self, authorization: str | None) -> bool:
        """Whether an ``Authorization`` header shows the token."""
        scheme, _, shown = (authorization or "").partition(" ")
        same = hmac.compare_digest(_digest(shown.strip()), self._digest)
        return same and scheme.lower() == "bearer"

    def __repr__(self) -> str:
        return "Token('***')"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def token_file(path: Path) -> str:
    """Read the token a data folder keeps; the first time, make it. Only its owner may read it.

    Raises UserError where the file cannot be read or written.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(24) + "\n")
        return path.read_text().strip()
    except OSError as error:
        raise UserError(
            f"the HTTP token's file {path} cannot be used: {error.strerror}",
            "check its permissions, or set http.token",
        ) from None
