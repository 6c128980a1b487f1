"""What a test needs that a machine may lack: skipped there with what to install, a failure in CI."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip a test for want of something; in CI it must be there."""
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(f"these tests must run in CI: {what}")
    pytest.skip(what)


def program(name: str, install: str) -> str:
    """Path of a program; ``install`` says how to get it."""
    return shutil.which(name) or missing(f"{name} is missing; {install}")
