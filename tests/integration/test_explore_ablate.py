"""An ablation gives the alerts of a log that never had the source, or had it later."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from schemas.errors import UserError
from schemas.records import Heartbeat, Mention, Record, Tick
from streams.cli.main import exit_code
from streams.explore.ablate import _Episode, _Run, ablate, paired
from streams.explore.ablate_words import in_words
from streams.explore.change import changes
from streams.explore.material import Material, material
from streams.files.write import write_records
from streams.replay.api import replay
from streams.replay.inputs import opened
from tests.helpers.days import LIVELY, days
from tests.helpers.models import crowd_model
from tests.helpers.records import T0

EXAMPLE = Path(__file__).parents[2] / "examples/lexicon.json"
DROP = ["platform=telegram", "kind=tick", "kind=mention", "platform=reddit"]
DELAY = ["xiaohongshu=45s", "tick=1500ms", "mention=20m"]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return days(21, 5.0, bursts_a_day=24)


@pytest.fixture(scope="module")
def log(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.parquet"
    write_records(records, path)
    return path


def of(log: Path) -> Material:
    return material([log], model=crowd_model(), settings=LIVELY)


def later(record: Record, ms: int) -> Record:
    log_ms = record.ts_log_ms or record.ts_event_ms
    return msgspec.structs.replace(
        record, ts_event_ms=record.ts_event_ms + ms, ts_log_ms=log_ms + ms
    )


def is_on(platform: str) -> Callable[[Record], bool]:
    return lambda r: isinstance(r, Mention) and r.platform == platform


BY_HAND: dict[str, tuple[Callable[[Record], bool], int | None]] = {
    "without platform=telegram": (is_on("telegram"), None),
    "without kind=tick": (lambda r: isinstance(r, Tick), None),
    "without kind=mention": (lambda r: isinstance(r, Mention), None),
    "without platform=reddit": (is_on("reddit"), None),
    "xiaohongshu later by 45s": (is_on("xiaohongshu"), 45_000),
    "tick later by 1500ms": (lambda r: isinstance(r, Tick), 1_500),
    "mention later by 20m": (lambda r: isinstance(r, Mention), 1_200_000),
}


def by_hand(records: list[Record], name: str) -> list[Record]:
    """The changed log, made record by record."""
    hit, ms = BY_HAND[name]
    end = records[-1].ts_event_ms
    found = []
    for record in records:
        if not hit(record):
            found.append(record)
        elif ms is not None and (record.ts_log_ms or record.ts_event_ms) + ms <= end:
            found.append(later(record, ms))
    assert isinstance(records[-1], Heartbeat)
    return sorted(found, key=lambda r: r.ts_log_ms or r.ts_event_ms)


def test_each_change_is_that_of_a_log_changed_by_hand(
    records: list[Record], log: Path, tmp_path: Path
) -> None:
    wanted = changes(DROP, DELAY, together=False)
    assert [change.name for change in wanted] == list(BY_HAND)
    with opened([log], tmp_path / "spill") as inputs:
        run = _Run(of(log), inputs, wanted)
        run.all(lambda _: None)
    whole = run._alerts[0]
    logs = {tuple(a.alert_id for a in whole)}
    for change, alerts in zip(wanted, run._alerts[1:], strict=True):
        path = tmp_path / "changed.parquet"
        write_records(by_hand(records, change.name), path)
        alone = replay(path, model=crowd_model(), settings=LIVELY).alerts.to_pylist()
        assert [a.alert_id for a in alerts] == [a["alert_id"] for a in alone], change.name
        assert [a.logit_micro for a in alerts] == [a["logit_micro"] for a in alone]
        logs.add(tuple((a.alert_id, a.ts_bar_end_ms) for a in alerts))
    assert [a.alert_id for a in run._alerts[4]] == [
        a.alert_id for a in whole
    ]  # nothing was dropped
    assert len(whole) > 40 and len(logs) >= 6


def test_changes_together_are_one_log(records: list[Record], log: Path, tmp_path: Path) -> None:
    wanted = changes(["platform=telegram"], ["tick=1500ms"], together=True)
    assert [c.name for c in wanted] == ["without platform=telegram, tick later by 1500ms"]
    found = ablate(of(log), wanted)
    changed = by_hand(by_hand(records, "without platform=telegram"), "tick later by 1500ms")
    write_records(changed, tmp_path / "changed.parquet")
    alone = replay(tmp_path / "changed.parquet", model=crowd_model(), settings=LIVELY)
    (variant,) = found.variants
    assert variant.kinds.total() == alone.alerts.num_rows > 20


def test_the_report_adds_up_and_knows_the_prices(log: Path, records: list[Record]) -> None:
    found = ablate(of(log), changes(DROP, DELAY, together=False))
    by_name = {each.name: each for each in found.variants}
    openings = found.kinds["candidate"]
    for each in found.variants:
        lost = sum(told.kind == "candidate" for told in each.lost)
        gained = sum(told.kind == "candidate" for told in each.gained)
        assert each.kinds["candidate"] == openings - lost + gained, each.name
        for moved in each.moved:
            ms = moved.after.ts_available_ms - moved.before.ts_available_ms
            assert moved.seconds == ms / 1000 != 0
            assert moved.before.token == moved.after.token and moved.before.kind == moved.after.kind
    unchanged = by_name["without platform=reddit"]
    assert not (unchanged.lost or unchanged.gained or unchanged.moved) and unchanged.same > 20
    assert unchanged.record == found.record
    assert by_name["without kind=tick"].kinds.total() == 0  # nothing opens without a price
    assert len([m for m in by_name["mention later by 20m"].moved if m.seconds > 0]) > 0
    told = [t for each in found.variants for t in each.lost if t.multiple_ahead is not None]
    assert len(told) > 10
    for each_told in told:
        prices = sorted(
            (r.ts_event_ms, float(r.price_usd))
            for r in records
            if isinstance(r, Tick) and r.token == each_told.token
        )
        ahead = [p for ts, p in prices if ts > each_told.ts_available_ms]
        assert each_told.multiple_ahead == pytest.approx(max(ahead) / ahead[0])
    text = in_words(found)
    assert all(each.name in text for each in found.variants)
    assert "and " in text and "x ahead" in text


def _episode(token: str, start: int, end: int) -> _Episode:
    from schemas.records import Alert

    alert = msgspec.convert(
        {"token": token, "ts_available_ms": start}
        | {
            name: value
            for name, value in _BLANK.items()
            if name not in ("token", "ts_available_ms")
        },
        Alert,
    )
    return _Episode(alert, None, end)


_BLANK: dict[str, object] = {
    "type": "alert", "schema_version": 1, "alert_id": "", "kind": "candidate", "sequence": 0,
    "symbol": None, "ts_episode_start_ms": 0, "ts_bar_end_ms": 0, "probability": 0.0,
    "logit_micro": 0, "threshold_logit_micro": 0, "price_usd": None, "ts_price_ms": None,
    "liquidity_usd": None, "market_cap_usd": None, "moved_x_since_onset": None, "moved_x_1h": None,
    "price_share_of_peak": None, "attention_share_of_peak": None, "mentions_60s": 0,
    "authors_60s": 0, "trades_60s": 0, "traders_60s": 0, "late_share": 0.0,
    "baseline_coverage": 0.0, "reasons": [], "evidence": [], "fingerprint": "",
}  # fmt: skip


def test_episodes_are_paired_by_token_and_time_each_once() -> None:
    a, b, c = _episode("A", 0, 10), _episode("A", 20, 30), _episode("B", 0, 10)
    x, y, z = _episode("A", 5, 25), _episode("A", 28, 40), _episode("B", 11, 12)
    found = paired([a, b, c], [x, y, z])
    assert found == [
        (a, x), (b, y), (c, None), (None, z),
    ]  # fmt: skip
    assert paired([], []) == []


@pytest.mark.parametrize(
    ("drop", "delay", "words"),
    [
        ([], [], "add --drop platform=NAME"),
        (["telegram"], [], "write platform=NAME or kind=NAME"),
        (["platform=telegrm"], [], "no platform is called telegrm"),
        (["kind=trade"], [], "no kind of record is called trade; use one of mention, tick"),
        (["author=x"], [], "write platform=NAME or kind=NAME"),
        ([], ["telegram"], "write NAME=DURATION"),
        ([], ["telegram=soon"], "write a number and its unit"),
        ([], ["telegram=0s"], "changes nothing"),
        ([], ["usenet=1s"], "platforms that have no name here are all of other"),
    ],
)
def test_a_change_that_cannot_be_understood(drop: list[str], delay: list[str], words: str) -> None:
    with pytest.raises(UserError) as error:
        changes(drop, delay, together=False)
    assert words in str(error.value)


def test_the_command(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("eager.toml").write_text(
        "[engine]\ncandidate_logit_micro = -2_000_000\nmin_authors_15m = 5\nmin_traders_15m = 5\n"
    )
    args = ["ablate", str(log), "--config", "eager.toml", "--drop", "platform=x"]
    args += ["--delay", "tick=5s"]
    assert exit_code(args) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.startswith("whole log: ") and "note: " not in out
    assert "\nwithout platform=x: " in out and "\ntick later by 5s: " in out
    assert exit_code([*args, "--together", "--json"]) == 0
    found = json.loads(capsys.readouterr()[0])
    assert found["whole"]["alerts"]["candidate"] > 3 and found["note"] is None
    (variant,) = found["variants"]
    assert variant["change"] == "without platform=x, tick later by 5s"
    assert set(variant) >= {"lost", "gained", "moved", "same", "precision", "median_multiple_ahead"}
    assert exit_code(["ablate", str(log), "--drop", "platform=y"]) == 2
    assert "no platform is called y" in capsys.readouterr()[1]


@pytest.mark.parametrize(
    ("settings", "lexicon", "remedy"),
    [
        ("", False, "give one with --lexicon"),
        ("", True, "give others with --config"),
        ("[engine]\nmentions = false\n", False, "give others with --config"),
    ],
)
@pytest.mark.parametrize("command", ["ablate", "sweep"])
def test_where_nothing_opens_it_is_said_what_to_give(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    settings: str,
    lexicon: bool,
    remedy: str,
) -> None:
    """A log whose posts name nothing was compared with itself: 0 lost of 0, and not a word of why."""
    monkeypatch.chdir(tmp_path)
    post = Mention("m", T0, "x", "a", "all in on this one")
    write_records([post, Heartbeat("end", T0 + 60_000)], "in.ndjson")
    Path("own.toml").write_text(settings)
    args = [command, "in.ndjson", "--config", "own.toml"]
    args += ["--drop", "platform=x"] if command == "ablate" else ["--set", "candidate_bars=1,2"]
    args += ["--lexicon", str(EXAMPLE)] if lexicon else []
    assert exit_code(args) == 0
    (note, *_) = [line for line in capsys.readouterr()[0].splitlines() if "note: " in line]
    assert note.startswith("note: no candidate opened") and note.count(remedy) == 1
    assert exit_code([*args, "--json"]) == 0
    assert f"note: {json.loads(capsys.readouterr()[0])['note']}" == note
