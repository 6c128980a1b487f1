"""`goldendog replay` on what users really have: odd times, kinds, letters and lexicons."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detectors.resolve.lexicon import Lexicon
from detectors.resolve.resolver import Resolver
from schemas.decode import encode_record
from schemas.records import Heartbeat, Mention, Tick
from streams.cli.main import exit_code
from tests.helpers.records import T0, TOKENS

YEAR_1970, YEAR_2100 = 86_400_000, 4_102_444_800_000
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tick(i: int, **changes: Any) -> bytes:
    at = T0 + 1_000 * i
    record = encode_record(Tick(f"t{i}", at, TOKENS[0], 0.5, 10, "buy", f"w{i}"))
    return msgspec.json.encode(msgspec.json.decode(record) | changes)


def lines(*odd: bytes) -> list[bytes]:
    """A sound log of 40 trades with odd lines in its midst."""
    sound = [tick(i) for i in range(40)]
    first, last = Heartbeat("begin", T0, log_start_ms=T0), Heartbeat("end", T0 + 60_000)
    return [encode_record(first), *sound[:20], *odd, *sound[20:], encode_record(last)]


def replayed(
    capsys: pytest.CaptureFixture[str], written: list[bytes], *args: str
) -> dict[str, Any]:
    """The summary of a replay of some lines; its dead letters under ``dead``."""
    Path("in.ndjson").write_bytes(b"\n".join(written) + b"\n")
    code = exit_code(["replay", "in.ndjson", "--out", "o", "--overwrite", "--json", *args])
    out, err = capsys.readouterr()
    assert code == 0, err
    summary: dict[str, Any] = json.loads(out)
    dead = Path("o/dead_letters.ndjson").read_bytes().splitlines()
    return summary | {"dead": [json.loads(each) for each in dead]}


@pytest.mark.parametrize(
    ("odd", "code", "says"),
    [
        (tick(99, ts_event_ms=YEAR_1970), "bad_time", "outside 2009 to 2100"),
        (tick(99, ts_event_ms=YEAR_1970, ts_log_ms=T0 + 20_000), "bad_time", "outside"),
        (tick(99, ts_event_ms=YEAR_2100, ts_log_ms=T0 + 20_000), "bad_time", "outside"),
        (tick(99, ts_log_ms=YEAR_2100), "bad_time", "outside 2009 to 2100"),
        (tick(19, type="tick/v2"), "unknown_type", "tick/v2"),
        (tick(19, type="mention"), "wrong_shape", "missing required field"),
        (tick(19, token="MO\u200dMO"), "bad_token", "MO"),
    ],
)
def test_an_odd_record_is_kept_aside_and_changes_nothing_else(
    capsys: pytest.CaptureFixture[str], odd: bytes, code: str, says: str
) -> None:
    plain = replayed(capsys, lines())
    found = replayed(capsys, lines(odd))
    assert found["records"]["rejected_by_code"] == {code: 1}
    [letter] = found["dead"]
    assert (letter["code"], letter["place"]) == (code, "in.ndjson:22")
    assert says in letter["problem"] and letter["remedy"]
    assert found["records"]["ticks"] == plain["records"]["ticks"] == 40
    for name in ("closed_through_ms", "log_through_ms", "alerts"):
        assert found[name] == plain[name], name


@pytest.mark.parametrize(
    ("odd", "late", "ticks"),
    [
        (tick(99, ts_event_ms=T0 - 40 * HOUR_MS, ts_log_ms=T0 + 20_000), 1, 41),
        (tick(99, ts_event_ms=T0 + 40 * 365 * 24 * HOUR_MS, ts_log_ms=T0 + 20_000), 0, 41),
    ],
)
def test_an_event_time_far_from_a_sane_log_time_closes_nothing(
    capsys: pytest.CaptureFixture[str], odd: bytes, late: int, ticks: int
) -> None:
    """Of long ago it is too late; of the future it counts when it was logged."""
    plain, found = replayed(capsys, lines()), replayed(capsys, lines(odd))
    assert (found["records"]["late"], found["records"]["ticks"]) == (late, ticks)
    assert found["closed_through_ms"] == plain["closed_through_ms"]


def test_a_log_time_of_another_century_comes_last_and_drops_no_record(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Files are read in log order, so one wrong log time spoils its own record alone."""
    far = T0 + 70 * 365 * 24 * HOUR_MS
    found = replayed(capsys, lines(tick(99, ts_log_ms=far)))
    assert (found["records"]["ticks"], found["records"]["late"]) == (41, 1)
    assert found["records"]["out_of_order"] > 0
    assert found["log_through_ms"] == far


# -- letters that hide ---------------------------------------------------------------------------

MOMO = {"token": TOKENS[1], "symbol": "MOMO", "aliases": ["momo coin"]}


def lexicon(*entries: dict[str, Any]) -> bytes:
    document = {"versions": [{"version": 1, "effective_log_ms": 0, "tokens": entries}]}
    return json.dumps(document).encode()


HIDDEN = (
    "$M\u200dOMO",
    "$\u200bMOMO",
    "\u202e$MOMO\u202c",
    "\u2066$MO\u2069MO",
    "$MO\u00adMO now",
    "\ufeff$momo",
    "$ＭＯＭＯ",
    "$МОМО",  # Cyrillic
    "mo\u200cmo co\u200din",
)


def test_hidden_letters_hide_no_coin(capsys: pytest.CaptureFixture[str]) -> None:
    Path("lexicon.json").write_bytes(lexicon(MOMO))
    posts = [
        encode_record(Mention(f"m{i}", T0 + i, "x", f"a{i}", text))
        for i, text in enumerate([*HIDDEN, "$M OMO", "$MOMOs", "\u202eOMOM$"])
    ]
    found = replayed(capsys, posts, "--lexicon", "lexicon.json")
    assert found["records"]["mentions"] == len(HIDDEN)
    assert found["records"]["mentions_unresolved"] == 3
    assert found["records"]["rejected"] == 0


# -- lexicons ------------------------------------------------------------------------------------


def test_aliases_that_go_in_a_circle_end_and_name_what_was_said() -> None:
    """An alias is a word, never a reference: nothing is followed."""
    found = Lexicon.parse(
        lexicon(
            {"token": TOKENS[1], "symbol": "AA", "aliases": ["bb", "aa"]},
            {"token": TOKENS[2], "symbol": "BB", "aliases": ["aa", "cc"]},
        )
    )
    resolver = Resolver(found)

    def named(text: str) -> tuple[str, ...]:
        return resolver.resolve(Mention("m", T0, "x", "a", text), T0)

    assert named("$AA") == (TOKENS[1],)
    assert named("$BB") == tuple(sorted(TOKENS[1:]))  # a symbol, and the alias of another
    assert named("cc is here") == (TOKENS[2],)
    assert named("bb is here") == (TOKENS[1],)
    assert named("aa is here") == ()  # of two, and nothing tells which


MILLION = """
import json
from detectors.resolve.lexicon import Lexicon
from detectors.resolve.resolver import Resolver
from schemas.records import Mention
tokens = [
    {"token": f"eip155:1/erc20:0x{i:040x}", "symbol": f"S{i}",
     "aliases": [f"alias number {i} {k}" for k in range(100)]}
    for i in range(10_000)
]
document = {"versions": [{"version": 1, "effective_log_ms": 0, "tokens": tokens}]}
resolver = Resolver(Lexicon.parse(json.dumps(document)))
post = Mention("m", 1736812800000, "x", "a", "look at alias number 77 5 and alias number 9999 99")
found = resolver.resolve(post, 1736812800000)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps([found, int(status["VmHWM"].split()[0])]))  # ru_maxrss would tell the parent's too
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_a_million_aliases_are_taken_in_bounded_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MILLION], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    named, most_kib = json.loads(done.stdout)
    assert named == [f"eip155:1/erc20:0x{i:040x}" for i in (77, 9_999)]
    assert most_kib < 1_000_000
