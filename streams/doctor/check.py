"""What a check gives: a verdict, what was found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.errors import GoldendogError, UserError

Verdict = Literal["OK", "WARN", "FAIL"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : short and stable: scripts may select by it.
    verdict : ``FAIL`` keeps goldendog from working, ``WARN`` does not.
    found : what is so, in one sentence.
    remedy : what to do; empty where all is well.

    Examples
    --------
    >>> Check("disk", "OK", "12 GiB free").verdict
    'OK'
    """

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


def failed(name: str, error: GoldendogError) -> Check:
    """The check that an error of ours makes.

    >>> failed("lexicon", UserError("l.json cannot be read", "check the path")).remedy
    'check the path'
    """
    if isinstance(error, UserError):
        return Check(name, "FAIL", error.problem, error.remedy)
    return Check(name, "FAIL", str(error))
