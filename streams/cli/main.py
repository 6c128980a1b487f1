"""``goldendog``: picks the command, and turns every error into one sentence and an exit code.

0: it worked. 1: it ran, and failed or found a difference. 2: the user wrote something that cannot
be used. 130: interrupted. ``GOLDENDOG_DEBUG=1`` shows tracebacks.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Final

import typer

from schemas.errors import GoldendogError, UserError
from streams.cli.lazy import Lazy, lazy_group
from streams.file_names import refuse_no_utf8
from streams.interrupts import InterruptError
from streams.safe_text import shown

FAILED: Final = 1
MISTAKE: Final = 2
INTERRUPTED: Final = 130
_PERMISSIONS: Final = "check its permissions"
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

COMMANDS: Final = {
    "demo": Lazy("streams.cli.demo_cmd", "demo", "Play the RedNote wave of January 2025, or write its records."),
    "run": Lazy("streams.cli.run_cmd", "run", "Detect live: embedded in one process, or as a worker on Kafka."),
    "import": Lazy("streams.cli.import_cmd", "import_app", "Turn recordings that others made into records to replay."),
    "replay": Lazy("streams.cli.replay_cmd", "replay", "Run recorded files through the same detectors."),
    "record": Lazy("streams.cli.record_cmd", "record", "Keep what is in Kafka topics as Parquet files."),
    "feed": Lazy("streams.cli.feed_cmd", "feed", "Put a recording back into topics."),
    "diff": Lazy("streams.cli.diff_cmd", "diff", "Name the first alert, bar and feature in which two runs differ."),
    "export": Lazy("streams.cli.export_cmd", "export_app", "Write a replay's output in the formats of other tools."),
    "why": Lazy("streams.cli.why_cmd", "why", "Tell which gates a token passed or missed at a bar."),
    "ablate": Lazy("streams.cli.ablate_cmd", "ablate", "Tell which alerts each source is worth."),
    "sweep": Lazy("streams.cli.sweep_cmd", "sweep", "Try up to 100 settings on one log."),
    "train": Lazy("streams.cli.train_cmd", "train", "Train the classifier on generated waves."),
    "topics": Lazy("streams.cli.topics_cmd", "topics_app", "Create and describe the Kafka topics."),
    "control": Lazy("streams.cli.control_cmd", "control_app", "Change settings, model or lexicon of live workers."),
    "dlq": Lazy("streams.cli.dlq_cmd", "dlq_app", "List, show and send again what could not be used."),
    "lag": Lazy("streams.cli.lag_cmd", "lag", "Tell how far workers are behind, in records and seconds."),
    "checkpoint": Lazy("streams.cli.checkpoint_cmd", "checkpoint_app", "List, verify and end checkpoints."),
    "state": Lazy("streams.cli.state_cmd", "state_app", "Show what the detector knows of a token now."),
    "incident": Lazy("streams.cli.incident_cmd", "incident_app", "Capture a stretch of a live log in one file, and replay it elsewhere."),
    "schema": Lazy("streams.cli.schema_cmd", "schema", "Print the JSON Schema of the records."),
    "config": Lazy("streams.cli.config_cmd", "config_app", "Show the settings in force and where each came from."),
    "doctor": Lazy("streams.cli.doctor_cmd", "doctor", "Look for what would keep goldendog from working here."),
    "version": Lazy("streams.cli.version_cmd", "version", "Print the version and the hash of the core."),
}  # fmt: skip

app = typer.Typer(
    name="goldendog",
    cls=lazy_group(COMMANDS),
    help="Memecoin hype detector: mentions and trades in, explained alerts out, the same on replay.",
    rich_markup_mode=None,  # rich doubles the time that --help takes
    pretty_exceptions_enable=False,
    add_completion=True,
)


@app.callback(invoke_without_command=True)
def _goldendog(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


def main(args: Sequence[str] | None = None) -> None:
    """Run ``goldendog`` with ``args`` (of the process, if None) and exit."""
    sys.exit(exit_code(args))


def exit_code(args: Sequence[str] | None = None) -> int:
    """Run ``goldendog``, and return its exit code instead of leaving."""
    args = sys.argv[1:] if args is None else list(args)
    if args == ["--version"]:
        args = ["version"]
    debug = os.environ.get("GOLDENDOG_DEBUG", "") not in ("", "0")
    try:
        for arg in args:
            refuse_no_utf8(arg)
        result = app(args=args, prog_name="goldendog", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort) as error:
        return _complain(InterruptError(error))
    except BrokenPipeError:
        _forget_stdout()
        return FAILED
    except Exception as error:
        if debug and not isinstance(error, InterruptError):
            raise
        return _complain(error)
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def _complain(error: Exception) -> int:
    match error:
        case typer.TyperException() if error.message.startswith("Usage:"):
            print(error.message, file=sys.stderr)  # a group without a command shows its help
            return MISTAKE
        case typer.TyperException():
            # Typer's own: an unknown option, a value that is no number.
            context = getattr(error, "ctx", None)
            path = context.command_path if context is not None else "goldendog"
            told = error.format_message().rstrip(".")
            told += f"; {_PERMISSIONS}" if told.endswith("is not readable") else ""
            message, code = f"{told} (see {path} --help)", MISTAKE
        case InterruptError():
            message, code = str(error), INTERRUPTED
        case UserError():
            message, code = str(error), MISTAKE
        case GoldendogError():
            message, code = str(error), FAILED
        case OSError() if error.filename is not None and error.strerror:
            message, code = f"{error.strerror}: {_shown(error.filename)}", MISTAKE
            message += f"; {_PERMISSIONS}" if isinstance(error, PermissionError) else ""
        case OSError() if error.errno in _NO_ROOM:
            message = f"nothing more can be written: {error.strerror or error}; free some room"
            code = FAILED
        case OSError():
            message, code = str(error) or type(error).__name__, FAILED
        case _:
            message = (
                f"this is a bug in goldendog: {type(error).__name__}: {error}; set GOLDENDOG_DEBUG=1 "
                "for the traceback, and report it"
            )
            code = FAILED
    with contextlib.suppress(OSError):
        print(f"goldendog: {shown(' '.join(message.split()))}", file=sys.stderr)
    return code


def _shown(filename: object) -> str:
    return os.fsdecode(filename) if isinstance(filename, str | bytes) else str(filename)


def _forget_stdout() -> None:
    # The reader left (| head): without this, Python complains once more while it shuts down.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
