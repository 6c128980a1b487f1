"""``goldendog doctor``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import ConfigOption, JsonOption


def doctor(
    *,
    bootstrap: Annotated[
        str | None,
        typer.Option("--bootstrap", metavar="HOST:PORT", help="Ask this broker too."),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", metavar="DIR", help="Look at this data folder.")
    ] = None,
    lexicon: Annotated[
        Path | None, typer.Option("--lexicon", metavar="FILE", help="Look at this lexicon.")
    ] = None,
    http_port: Annotated[
        int | None, typer.Option("--http-port", metavar="N", help="Look at this port.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Look for what would keep goldendog from working here, and say what to do about it.

    Each check is OK, WARN or FAIL; exit code 1 if any is FAIL. Nothing is sent to webhooks.
    """
    from dataclasses import asdict

    from streams.doctor.examine import examine

    flags = {
        "kafka.bootstrap": bootstrap,
        "data_dir": data_dir,
        "lexicon": lexicon,
        "http.port": http_port,
    }
    checks = []
    with _told_as_a_check("streams.numba_cache"):
        for check in examine(config, flags, broker=bootstrap is not None):
            checks.append(check)
            if not json:
                print(f"{check.verdict:<4}  {check.name}: {check.found}", flush=True)
                if check.remedy:
                    print(f"      -> {check.remedy}")
    worst = [c.name for c in checks if c.verdict == "FAIL"]
    if json:
        import msgspec

        report = {"ok": not worst, "checks": [asdict(c) for c in checks]}
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    elif worst:
        print(f"{len(worst)} of {len(checks)} checks failed: {', '.join(worst)}")
    else:
        warned = sum(c.verdict == "WARN" for c in checks)
        print(f"{len(checks)} checks, none failed" + (f", {warned} to look at" if warned else ""))
    return 1 if worst else 0


@contextmanager
def _told_as_a_check(logger: str) -> Iterator[None]:
    """Keep a logger silent for a while: what it would warn of is one of the checks."""
    log = logging.getLogger(logger)
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False
