"""The broker of tests: its jars are kept in the working tree, and in CI it must be there."""

from __future__ import annotations

from pathlib import Path

from streams.local_kafka.broker import KafkaBroker as KafkaBroker
from streams.local_kafka.broker import NoBrokerError as NoBrokerError
from streams.local_kafka.broker import fetch_libs as fetch_libs_to
from tests.helpers.parts import missing

CACHE = Path(__file__).parents[2] / ".cache" / "kafka"


def fetch_libs() -> Path:
    """Folder of the broker's jars."""
    return fetch_libs_to(CACHE)


def libs_or_skip() -> Path:
    """The same for tests, which are skipped where they cannot be had, and fail in CI."""
    try:
        return fetch_libs()
    except NoBrokerError as error:
        missing(str(error))
