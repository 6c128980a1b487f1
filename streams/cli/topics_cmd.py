"""``goldendog topics create|check|describe``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from streams.kafka.connection import Connection
    from streams.settings import KafkaSettings

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
    kafka, connection = _settings(config, bootstrap, partitions, mention_partitions)
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
    """Name what differs between the topics and those that `create` would make; exit 1 if any."""
    kafka, connection = _settings(config, bootstrap, partitions, mention_partitions)
    from streams.kafka.admin import topics_check

    differences = topics_check(
        connection, kafka.partitions, kafka.mention_partitions, recorded=recorded
    )
    if as_json:
        print(json.dumps({"differences": differences}))
    else:
        print("\n".join(differences) or "the topics are as they should be")
    return 1 if differences else 0


@topics_app.command()
def describe(
    *, bootstrap: BootstrapOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Print goldendog's topics as they are on the broker."""
    _kafka, connection = _settings(config, bootstrap, None, None)
    from streams.kafka.admin import topics_describe

    states = topics_describe(connection)
    if as_json:
        print(json.dumps([state.as_dict() for state in states]))
        return
    print(f"{'topic':24} {'partitions':>10} {'time':>9} {'kept':>12} {'records':>12}")
    for s in states:
        kept = "compacted" if s.compacted else _days(s.retention_ms)
        print(f"{s.name:24} {s.partitions:>10} {s.stamp:>9} {kept:>12} {s.records:>12,}")
    if not states:
        print("none yet: create them with goldendog topics create")


def _days(retention_ms: int) -> str:
    return "for ever" if retention_ms < 0 else f"{retention_ms / 86_400_000:g} days"


def _settings(
    config: Path | None,
    bootstrap: str | None,
    partitions: int | None,
    mention_partitions: int | None,
) -> tuple[KafkaSettings, Connection]:
    from streams.settings_load import load_settings

    flags = {
        "kafka.bootstrap": bootstrap,
        "kafka.partitions": partitions,
        "kafka.mention_partitions": mention_partitions,
    }
    kafka = load_settings(config, flags).kafka
    return kafka, kafka.connection()
