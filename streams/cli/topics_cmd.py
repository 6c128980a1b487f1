"""``goldendog topics create|check|describe``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import ConfigOption, JsonOption
from streams.cli.repartition_cmd import repartition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.kafka.topic_state import TopicState
    from streams.settings import Settings

topics_app = typer.Typer(
    help="Create, check and describe the Kafka topics.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

BootstrapOption = Annotated[
    str | None,
    typer.Option("--bootstrap", metavar="HOST:PORT", help="Brokers; setting kafka.bootstrap."),
]
PartitionsOption = Annotated[
    int | None,
    typer.Option("--partitions", metavar="N", help="Of topics by token; kafka.partitions."),
]
MentionPartitionsOption = Annotated[
    int | None,
    typer.Option(
        "--mention-partitions", metavar="N", help="Of raw mentions; kafka.mention_partitions."
    ),
]
RecordedOption = Annotated[
    bool,
    typer.Option(
        "--recorded",
        help="For recordings fed back: topics keep each record's own time, for ever.",
    ),
]


@topics_app.callback()
def _topics() -> None:
    """Create, check and describe the Kafka topics."""


@topics_app.command()
def create(
    *,
    bootstrap: BootstrapOption = None,
    partitions: PartitionsOption = None,
    mention_partitions: MentionPartitionsOption = None,
    recorded: RecordedOption = False,
    log_start_ms: Annotated[
        int | None,
        typer.Option(
            "--log-start-ms",
            metavar="MS",
            help="From when baselines count, milliseconds UTC; now if left out.",
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create every topic and begin the raw inputs; run it before the first worker.

    Running it again completes what is missing and changes nothing else.
    """
    kafka = _settings(config, bootstrap, partitions, mention_partitions).kafka
    connection = kafka.connection()
    from streams.kafka.admin import topics_create

    done = topics_create(
        connection,
        kafka.partitions,
        kafka.mention_partitions,
        recorded=recorded,
        log_start_ms=log_start_ms,
        replicas=kafka.replication,
    )
    if as_json:
        report = {
            "created": done.created,
            "existing": done.existing,
            "inputs_begun": done.begun,
            "log_start_ms": done.log_start_ms,
        }
        print(json.dumps(report))
        return
    print(
        f"{len(done.created)} topics created, {len(done.existing)} were there, "
        f"{done.begun} input partitions begun at {done.log_start_ms} ms"
    )


@topics_app.command()
def check(
    *,
    bootstrap: BootstrapOption = None,
    partitions: PartitionsOption = None,
    mention_partitions: MentionPartitionsOption = None,
    recorded: RecordedOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Name what differs from what workers need, and the command that mends it; exit 1 if any.

    What an operator chose and harms nothing, such as a longer retention, is a note.
    """
    settings = _settings(config, bootstrap, partitions, mention_partitions)
    kafka, connection = settings.kafka, settings.kafka.connection()
    from streams.kafka.admin import topics_check

    findings = topics_check(
        connection,
        kafka.partitions,
        kafka.mention_partitions,
        history_ms=settings.engine.history_ms,
        recorded=recorded,
        replicas=kafka.replication,
    )
    differences = [finding for finding in findings if not finding.note]
    if as_json:
        report = {
            name: [
                {"topic": f.topic, "problem": f.problem, "remedy": f.remedy}
                for f in findings
                if f.note == note
            ]
            for name, note in (("differences", False), ("notes", True))
        }
        print(json.dumps(report))
        return 1 if differences else 0
    for finding in findings:
        print(f"{'note: ' if finding.note else ''}{finding}\n    -> {finding.remedy}")
    if not differences:
        print("the topics are as they should be")
    return 1 if differences else 0


@topics_app.command()
def describe(
    *, bootstrap: BootstrapOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Print goldendog's topics as they are: partitions, offsets, retention, time, sizes.

    Offsets and sizes are over all partitions and replicas; --json has each partition's offsets.
    """
    connection = _settings(config, bootstrap, None, None).kafka.connection()
    from streams.kafka.admin import topics_describe

    states = topics_describe(connection, sizes=True)
    if as_json:
        print(json.dumps([state.as_dict() for state in states]))
        return
    if not states:
        print("none yet: create them with goldendog topics create")
        return
    _print_table(states)


topics_app.command()(repartition)


def _print_table(states: Sequence[TopicState]) -> None:
    row = "{:22} {:>10} {:>9} {:>9} {:>10} {:>12} {:>10}  {}"
    print(
        row.format(
            "topic", "partitions", "replicas", "time", "kept", "records", "size", "offsets"
        ).rstrip()
    )
    for s in states:
        starts, ends = [start for start, _ in s.spans], [end for _, end in s.spans]
        kept = "compacted" if s.compacted else _days(s.retention_ms)
        replicas = f"{s.replicas}" if s.in_sync == s.replicas else f"{s.in_sync} of {s.replicas}"
        size = "?" if s.size_bytes is None else _size(s.size_bytes)
        offsets = f"{_range(starts)} to {_range(ends)}"
        print(
            row.format(
                s.name, s.partitions, replicas, s.stamp, kept, f"{s.records:,}", size, offsets
            )
        )


def _range(offsets: Sequence[int]) -> str:
    low, high = min(offsets), max(offsets)
    return f"{low:,}" if low == high else f"{low:,}..{high:,}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"


def _days(retention_ms: int) -> str:
    return "for ever" if retention_ms < 0 else f"{retention_ms / 86_400_000:g} days"


def _settings(
    config: Path | None,
    bootstrap: str | None,
    partitions: int | None,
    mention_partitions: int | None,
) -> Settings:
    from streams.settings_load import load_settings

    flags = {
        "kafka.bootstrap": bootstrap,
        "kafka.partitions": partitions,
        "kafka.mention_partitions": mention_partitions,
    }
    return load_settings(config, flags)
