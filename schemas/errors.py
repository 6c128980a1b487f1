"""One tree of errors. Each message says what was wrong, where, and what to write instead."""

from __future__ import annotations

from typing import Final

RECORD_ERROR_CODES: Final = (
    "not_json",
    "not_utf8",
    "too_large",
    "wrong_shape",
    "unknown_type",
    "bad_time",
    "bad_token",
    "bad_number",
    "bad_text",
)


class GoldendogError(Exception):
    """Root of every error goldendog raises on purpose."""


class UserError(GoldendogError):
    """A mistake of the user's: a bad path, option or setting. Exit code 2, never a traceback.

    >>> str(UserError("no such folder: /x", "create it or name another with --out"))
    'no such folder: /x; create it or name another with --out'
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}; {remedy}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy


class ConfigError(UserError):
    """A setting that cannot be used: a wrong type, an unknown name, a value out of range."""


class InputFileError(UserError):
    """A file of records that cannot be read at all: missing, of another kind, cut short."""


class LexiconError(UserError):
    """A lexicon or token directory that cannot be used."""


class ModelError(UserError):
    """A model file that is missing, tampered with, or made for other features."""


class BusyError(UserError):
    """A port or data folder that another process uses."""


class StateError(GoldendogError):
    """A snapshot, checkpoint or log that does not fit: other layout, torn, or of other settings."""


class GapError(GoldendogError):
    """Input offsets are missing: going on would change alerts, so the worker stops."""


class RecordError(GoldendogError):
    """One record that cannot be used. It is counted and kept as a dead letter.

    Parameters
    ----------
    code : one of ``RECORD_ERROR_CODES``; the metric's label.
    problem : what was wrong, with the offending value shortened.
    field : dotted path of the field, empty where the whole record is at fault.
    remedy : what to write instead.

    Examples
    --------
    >>> e = RecordError("bad_number", "price is NaN", field="price_usd", remedy="omit the tick")
    >>> e.code, e.field, str(e)
    ('bad_number', 'price_usd', 'price_usd: price is NaN; omit the tick')
    """

    def __init__(self, code: str, problem: str, *, field: str = "", remedy: str = "") -> None:
        at = f"{field}: " if field else ""
        super().__init__(f"{at}{problem}; {remedy}" if remedy else f"{at}{problem}")
        self.code = code
        self.problem = problem
        self.field = field
        self.remedy = remedy
