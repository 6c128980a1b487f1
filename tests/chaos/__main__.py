"""``python -m tests.chaos [NAME...] [--json]``: real workers on a real broker, in every trouble."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.chaos.scenarios import ALL, BY_NAME, run
from tests.chaos.verdict import Verdict, show
from tests.kafka.broker import KafkaBroker, NoBrokerError, fetch_libs


def main() -> int:
    """Run the scenarios asked for, all of them where none is; 1 where one did not hold."""
    parser = argparse.ArgumentParser(
        prog="make chaos",
        description="Kill, freeze and confuse workers and the broker, and compare what comes of it "
        "with a replay of the same log.",
        epilog="scenarios:\n" + "\n".join(f"  {s.name:<22} {s.about}" for s in ALL),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios; all where left out")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.add_argument("--keep", metavar="DIR", help="folder in which logs of workers are kept")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BY_NAME]:
        parser.error(f"no scenario {unknown[0]}; choose among {', '.join(BY_NAME)}")
    try:
        libs = fetch_libs()
    except NoBrokerError as error:
        sys.stderr.write(f"{error.problem}: {error.remedy}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="goldendog-chaos-") as temporary:
        folder = Path(given.keep or temporary)
        verdicts = asyncio.run(_run_all(given.names or list(BY_NAME), folder, libs))
    if given.json:
        print(json.dumps([verdict.as_dict() for verdict in verdicts], indent=1))
    else:
        show(verdicts)
    return int(not all(verdict.held for verdict in verdicts))


async def _run_all(names: list[str], folder: Path, libs: Path) -> list[Verdict]:
    verdicts = []
    (folder / "kafka").mkdir(parents=True, exist_ok=True)
    broker = KafkaBroker(folder / "kafka", libs)
    try:
        broker.format()
        broker.start()
        for name in names:
            sys.stderr.write(f"{name} ...\n")
            verdict = await run(BY_NAME[name], broker, folder)
            told = "held" if verdict.held else f"DID NOT HOLD: {verdict.wrong[0][:2_000]}"
            sys.stderr.write(f"{name}: {told} ({verdict.counted()})\n")
            verdicts.append(verdict)
    finally:
        broker.stop()
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
