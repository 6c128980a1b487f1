"""``goldendog demo``: plays the RedNote wave, or writes its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import JsonOption


def demo(
    write: Annotated[
        Path | None,
        typer.Option(
            "--write", metavar="DIR", help="Write the scenario's records there instead of playing."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything that is random.")] = 1,
    shape: Annotated[
        str, typer.Option("--shape", help="How prices climb: steady, steps, late, early, double.")
    ] = "steady",
    delay: Annotated[
        int, typer.Option("--delay", metavar="SECONDS", help="Posts are observed so much later.")
    ] = 0,
    leading_platform: Annotated[
        str, typer.Option("--leading-platform", metavar="NAME", help="Where the talk begins.")
    ] = "xiaohongshu",
    volume_divisor: Annotated[
        float, typer.Option("--volume-divisor", metavar="X", help="Divide posts and trades by X.")
    ] = 1.0,
    kafka: Annotated[
        bool,
        typer.Option("--kafka", help="Through Apache Kafka, started here; needs Java and Maven."),
    ] = False,
    variation: Annotated[
        int | None,
        typer.Option(
            "--variation", metavar="1..20", help="One of the variations written beforehand instead."
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Play the RedNote wave of January 2025 in under two minutes, or write its records.

    Nine days of posts and trades run through the embedded detectors: MOMO, asleep for three
    months, wakes; launches and copycats follow. Everything but the published anchors is synthetic.

    With --kafka a broker of its own and two workers are started, and ended afterwards: the same
    records, one JSON event a message, give the same alerts.
    """
    from schemas.errors import UserError
    from streams.scenario.variation import Variation, published_variations

    if variation is not None:
        published = published_variations()
        if not 1 <= variation <= len(published):
            raise UserError(f"there is no variation {variation}", f"write 1 to {len(published)}")
        chosen = published[variation - 1]
    else:
        chosen = Variation(seed, shape, delay, leading_platform, volume_divisor)  # type: ignore[arg-type]
    if write is not None:
        from streams.demo.write import write_scenario

        write_scenario(chosen, write, as_json=json)
        return 0
    from streams.numba_cache import prepare_numba_cache

    prepare_numba_cache()
    from streams.demo.play import play_demo

    return play_demo(chosen, as_json=json, kafka=kafka)
