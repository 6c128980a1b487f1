"""Names of files that are written down: in a summary, a manifest, a message, all of them UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

from schemas.errors import InputFileError


def refuse_no_utf8(name: Path | str) -> None:
    r"""Raise InputFileError where a path, or a word of the command line, is not UTF-8.

    Python keeps such bytes as lone surrogates, which neither JSON nor Arrow takes.

    >>> refuse_no_utf8("café.ndjson")
    >>> refuse_no_utf8("caf\udce9.ndjson")
    Traceback (most recent call last):
    schemas.errors.InputFileError: the name caf\xe9.ndjson is not UTF-8; rename it to UTF-8
    """
    text = str(name)
    try:
        text.encode()
    except UnicodeEncodeError:
        seen = os.fsencode(text).decode("utf-8", "backslashreplace")
        raise InputFileError(f"the name {seen} is not UTF-8", "rename it to UTF-8") from None
