"""A full disk, a limit on file sizes, an install that nobody may write to: told, and survived."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import StateError
from schemas.topics import ALERTS, CHECKPOINTS, MENTIONS
from streams.files.write import write_records
from streams.log.base import Item
from streams.log.sqlite import SqliteLog
from streams.log.sqlite_reader import open_readonly
from streams.replay.api import replay
from streams.settings_load import load_settings
from streams.worker.checkpoint import CheckpointStore
from tests.helpers.crowd import EAGER
from tests.helpers.door import Door, alert, endpoint
from tests.helpers.pump import in_order, open_log
from tests.helpers.served import door, mention
from tests.helpers.wire import random_records

ROOT = Path(__file__).parents[2]
KIB = 1024


def goldendog(
    *args: object, most_bytes: int | None = None, stdout: Any = subprocess.PIPE, **env: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the program, which may write no file larger than ``most_bytes``."""
    own = (most_bytes or resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    return subprocess.run(
        [sys.executable, "-m", "streams.cli.main", *map(str, args)],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=stdout,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, own),
    )


def in_one_sentence(done: subprocess.CompletedProcess[bytes]) -> str:
    """What was said, if it is no traceback."""
    said = done.stderr.decode()
    assert "Traceback" not in said and "bug in goldendog" not in said, said
    return said


def full(log: SqliteLog, pages: int) -> None:
    """Have SQLite find its disk full once the file has so many more pages; 0 for no end."""

    def limit(transaction: Any) -> None:
        (have,) = transaction.db.execute("PRAGMA page_count").fetchone()
        most = have + pages if pages else 2**31
        transaction.db.execute(f"PRAGMA max_page_count = {most}")

    log._wait(limit)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "goldendog.toml"
    path.write_text(EAGER)
    return path


@pytest.mark.slow
def test_a_replay_without_room_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "in.ndjson"
    write_records(random_records(5, n=900), file)
    done = goldendog(
        "replay", file, "--out", tmp_path / "out", "--scores", "all", most_bytes=8 * KIB
    )
    said = in_one_sentence(done)
    assert (done.returncode, done.stdout) == (2, b"")
    assert "cannot be written" in said and "File too large" in said
    assert sorted(tmp_path.iterdir()) == [file]


@pytest.mark.slow
def test_a_run_whose_log_finds_no_room_stops_and_goes_on_later(
    tmp_path: Path, config: Path
) -> None:
    records = random_records(21)
    file, folder = tmp_path / "in.ndjson", tmp_path / "data"
    write_records(sorted(records, key=lambda r: r.ts_log_ms or 0), file)
    args = (
        "run", "--embedded", "--config", config, "--recorded-time", "--partitions", 2,
        "--no-http", "--exit-at-end", "--json", file, "--data-dir",
    )  # fmt: skip
    replay(file, settings=load_settings(config).engine, out=tmp_path / "out")  # compiles, too
    expected = (tmp_path / "out" / "alerts.ndjson").read_bytes().splitlines()
    stopped = goldendog(*args, folder, most_bytes=150 * KIB)
    said = in_one_sentence(stopped)
    assert stopped.returncode == 1
    assert "the log could not be written" in said and "has room" in said
    again = goldendog(*args, folder)
    assert again.returncode == 0, again.stderr.decode()
    with open_readonly(folder) as log:
        kept = [r.value or b"" for p in range(2) for r in log.iter_topic(ALERTS, p)]
    assert len(expected) > 3
    assert in_order(kept) == expected


def test_an_output_that_is_full_is_told() -> None:
    with Path("/dev/full").open("wb") as nowhere:
        done = goldendog("schema", stdout=nowhere)
    assert done.returncode == 1
    assert in_one_sentence(done).startswith("goldendog: nothing more can be written: No space left")


async def test_a_checkpoint_that_finds_no_room_leaves_the_one_before(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        store = CheckpointStore(log)
        assert await store.load(0) is None
        about: Any = {"positions": {"t": 1}, "alerts_end": 1, "fingerprint": "f", "closed_ms": 1}
        await store.save(0, b"before", **about)
        full(log, 20)
        with pytest.raises(StateError, match="full"):
            await store.save(0, os.urandom(1_000_000), **about)
        found = await CheckpointStore(log).load(0)
        assert found is not None and found.state == b"before"
        full(log, 0)
        store = CheckpointStore(log)
        await store.load(0)
        await store.save(0, b"after", **about)
        found = await CheckpointStore(log).load(0)
        assert found is not None and found.state == b"after"


async def test_an_append_that_finds_no_room_is_undone_whole(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        full(log, 4)
        with pytest.raises(StateError, match="full"):
            await log.append(CHECKPOINTS, 0, [Item(b"%d" % i, b"x" * 3_000) for i in range(20)])
        assert await log.end_offset(CHECKPOINTS, 0) == 0
        full(log, 0)
        assert await log.append(CHECKPOINTS, 0, [Item(b"k", b"v")]) == [0]


async def test_the_door_of_a_full_log_acknowledges_no_more_and_recovers(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        assert (await d.post(mention(1)))[0] == 200
        full(d.log, 1)
        status, told = await d.post(b"\n".join(mention(i, text="y" * 900) for i in range(2, 90)))
        assert status == 503
        assert (told["accepted"], told["error"]["problem"]) == (
            0,
            "the log cannot take records now",
        )
        assert len(await d.values(MENTIONS)) == 1
        full(d.log, 0)
        assert (await d.post(mention(2)))[0] == 200


@pytest.mark.slow
def test_an_install_that_nobody_may_write_to_works(tmp_path: Path) -> None:
    """The package on a read-only mount, no folder for a cache: slower, and all else the same."""
    mounted = tmp_path / "install"
    mounted.mkdir()
    file, blocked = tmp_path / "in.ndjson", tmp_path / "blocked"
    blocked.touch()
    records = random_records(5, n=60)
    write_records(records, file)
    script = (
        'set -e; mount --bind "$1" "$2"; mount -o remount,ro,bind "$2"; cd "$2"; '
        'exec "$3" -m streams.cli.main replay "$4" --out "$5" --json'
    )
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-m", "true"], check=False).returncode:
        pytest.skip("this user may not mount")
    args = [ROOT, mounted, sys.executable, file, tmp_path / "out"]
    done = subprocess.run(
        [unshare, "-m", "bash", "-c", script, "-", *map(str, args)],
        env={
            **os.environ,
            "NUMBA_DISABLE_JIT": "1",  # compiling takes half a minute, and writes nothing
            "GOLDENDOG_CACHE_DIR": str(blocked),
        },
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["records"]["read"] == len(records)
    assert "set GOLDENDOG_CACHE_DIR" in in_one_sentence(done)


async def test_alerts_that_the_outbox_has_no_room_for_are_told_as_such(tmp_path: Path) -> None:
    async with Door(tmp_path, endpoint("http://127.0.0.1:9/hook")) as desk:
        (pages,) = desk.outbox._db.execute("PRAGMA page_count").fetchone()
        desk.outbox._db.execute(f"PRAGMA max_page_count = {pages}")
        alerts = [alert(f"a{n}", desk.clock.ms) for n in range(50)]
        with pytest.raises(StateError, match="sqlite cannot be written: database or disk is full"):
            await desk.dispatcher.offer(alerts)
        desk.outbox._db.execute(f"PRAGMA max_page_count = {2**31}")
        assert await desk.dispatcher.offer(alerts) == 50
