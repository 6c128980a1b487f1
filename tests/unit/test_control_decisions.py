"""What is in force and from when, whatever the order in which changes come."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from detectors.model import blank_model
from detectors.resolve.lexicon import Lexicon
from detectors.resolve.resolver import Resolver
from detectors.settings import EngineSettings
from schemas.errors import RecordError, UserError
from schemas.records import Control, Mention
from streams.cli.main import exit_code
from streams.control.decisions import LEAD_MS, Decisions, engine_value
from streams.control.files import ControlFiles
from streams.detection import Detection
from streams.model_store import default_folder, load_default_model

T = 1_736_812_800_000
A, B = ("eip155:1/erc20:0x" + digit * 40 for digit in "ab")


def lexicon(**aliases: str) -> str:
    tokens = [{"token": t, "symbol": "S" + a, "aliases": [a]} for a, t in aliases.items()]
    return json.dumps({"versions": [{"version": 1, "effective_log_ms": 0, "tokens": tokens}]})


def decisions(folder: Path = Path("nowhere")) -> Decisions:
    base = Detection(EngineSettings(), blank_model(), Lexicon.parse(lexicon(doggo=A)))
    return Decisions(base, ControlFiles(folder))


def control(n: int, from_ms: int, setting: str, value: str) -> Control:
    return Control(f"c{n}", T, from_ms, setting, value)


def bars_at(found: Decisions, ms: int) -> int:
    return found.at(ms).settings.candidate_bars


def test_a_change_holds_from_the_next_bar_after_its_time_and_never_within_a_minute() -> None:
    found = decisions()
    found.hear(control(1, T, "engine.candidate_bars", "5"), T + 1)
    (change,) = found.changes()
    assert change.from_bar * 5_000 == T + LEAD_MS + 5_000  # T + 1 ms + a minute, rounded up
    assert bars_at(found, change.from_bar * 5_000 - 5_000) == 2
    assert bars_at(found, change.from_bar * 5_000) == 5
    assert change.fingerprint == found.latest.fingerprint != found.base.fingerprint


def test_changes_come_into_force_by_their_times_in_whatever_order_they_come() -> None:
    records = [
        control(1, T + 300_000, "engine.candidate_bars", "5"),
        control(2, T + 200_000, "engine.candidate_bars", "4"),
        control(3, T + 400_000, "engine.fading_bars", "9"),
    ]
    told = set()
    for order in itertools.permutations(records):
        found = decisions()
        for record in order:
            found.hear(record, T)
        seen = [
            (c.from_bar, c.settings.candidate_bars, c.settings.fading_bars) for c in found.changes()
        ]
        told.add(tuple(seen))
    assert told == {tuple(((T + at) // 5_000, bars, fading) for at, bars, fading in (
        (200_000, 4, 60), (300_000, 5, 60), (400_000, 5, 9)))}  # fmt: skip


def test_of_two_for_the_same_time_the_later_record_wins_and_a_copy_changes_nothing() -> None:
    found = decisions()
    for n, value in ((1, "5"), (2, "6"), (1, "7")):
        found.hear(control(n, T + 300_000, "engine.candidate_bars", value), T)
    assert bars_at(found, T + 300_000) == 6
    assert (len(found.changes()), found.version) == (2, 2)


def test_a_lexicon_takes_the_place_of_the_one_in_force(tmp_path: Path) -> None:
    files, path = ControlFiles(tmp_path / "kept"), tmp_path / "l.json"
    path.write_text(lexicon(kitty=B))
    found = decisions(tmp_path / "kept")
    found.hear(control(1, T + 300_000, "lexicon", files.keep_lexicon(path)), T)
    resolver = Resolver(found.latest.lexicon)

    def names(text: str, ms: int) -> tuple[str, ...]:
        return resolver.resolve(Mention("m", ms, "x", "ann", text), ms)

    assert names("doggo and kitty", T + 299_999) == (A,)
    assert names("doggo and kitty", T + 300_000) == (B,)
    assert found.at(T + 300_000).lexicon.symbols() == {A: "Sdoggo", B: "Skitty"}


def test_a_lexicon_that_begins_later_leaves_no_words_before() -> None:
    later = Lexicon.parse(
        lexicon(kitty=B).replace('"effective_log_ms": 0', f'"effective_log_ms": {T}')
    )
    whole = Lexicon.parse(lexicon(doggo=A)).followed_by(later, T - 10)
    resolver = Resolver(whole)
    for ms, expected in ((T - 11, (A,)), (T - 10, ()), (T - 1, ()), (T, (B,))):
        assert resolver.resolve(Mention("m", ms, "x", "ann", "doggo kitty"), ms) == expected


def test_a_model_is_found_by_its_hash_and_checked(tmp_path: Path) -> None:
    files = ControlFiles(tmp_path)
    value = files.keep_model(default_folder())
    found = decisions(tmp_path)
    found.hear(control(1, T, "model", value), T)
    assert found.latest.model.sha256 == load_default_model().sha256
    (tmp_path / f"model-{value[7:]}").rename(tmp_path / f"model-{'0' * 64}")
    with pytest.raises(UserError, match="is not there; copy it from"):
        files.model(value)
    with pytest.raises(UserError, match="is not the model its name says"):
        files.model("sha256:" + "0" * 64)
    path = tmp_path / "l.json"
    path.write_text(lexicon(kitty=B))
    kept = files.keep_lexicon(path)
    (tmp_path / f"lexicon-{kept[7:]}.json").write_text(lexicon(doggo=A))
    with pytest.raises(UserError, match="is not the lexicon its name says"):
        files.lexicon(kept)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("engine.candidate_bar", "3", "did you mean engine.candidate_bars"),
        ("engine.lateness_ms", "3", "cannot change while a log runs; start new topics"),
        ("engine.candidate_bars", "many", "write a whole number"),
        ("engine.candidate_bars", "2.5", "write a whole number"),
        ("engine.candidate_bars", "true", "write a whole number"),
        ("engine.candidate_bars", "0", "write a value from 1 to 720"),
        ("engine.fading_drawdown", "NaN", "write a value from 0.0 to 1.0"),
        ("engine.fading_drawdown", "1" + "0" * 400, "keep it in 63 bits"),
        ("engine.candidate_logit_micro", str(2**63), "keep it in 63 bits"),
        ("engine.update_step_logit_micro", "-1" + "0" * 30, "keep it in 63 bits"),
        ("engine.fading_drawdown", "[" * 20_000, "write a number"),
        ("engine.mentions", "1", "write true or false"),
        ("lexicon", "lexicon.json", "write sha256: and 64 hex digits"),
        ("price", "1", "no setting 'price'"),
    ],
)
def test_what_cannot_be_used_is_refused_and_changes_nothing(
    setting: str, value: str, said: str
) -> None:
    found = decisions()
    with pytest.raises(RecordError, match=said):
        found.hear(control(1, T, setting, value), T)
    assert (found.changes(), found.version) == ([], 0)


def test_values_have_the_type_of_their_setting() -> None:
    assert engine_value("engine.mentions", "false") == ("mentions", False)
    name, value = engine_value("engine.update_rise_x", "3")
    assert (name, value, type(value)) == ("update_rise_x", 3.0, float)


def test_the_command_prints_a_record_and_keeps_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOLDENDOG_CONTROL_FILES", str(tmp_path / "kept"))
    path = tmp_path / "l.json"
    path.write_text(lexicon(kitty=B))
    assert exit_code(["control", "set", "lexicon", str(path), "--print", "--at", str(T)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["type"], said["effective_log_ms"]) == ("control", T)
    assert ControlFiles(tmp_path / "kept").lexicon(said["value"]).symbols() == {B: "Skitty"}
    for args, problem in (
        (("engine.candidate_bars", "0"), "write a value from 1 to 720"),
        (("lexicon", "no-such-file"), "no-such-file cannot be read"),
        (("model", str(tmp_path)), "no model in"),
    ):
        assert exit_code(["control", "set", *args, "--print"]) == 2
        assert problem in capsys.readouterr().err


def test_changes_are_made_once_and_asked_for_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each engine asks whenever the control topic moves, and each lexicon lists all its symbols."""
    asked: list[Lexicon] = []
    symbols = Lexicon.symbols
    monkeypatch.setattr(Lexicon, "symbols", lambda self: asked.append(self) or symbols(self))
    found = decisions()
    for n in range(3):
        found.hear(control(n, T, "engine.candidate_bars", f"{n + 3}"), T + n)
    for _ in range(5):
        assert [change.settings.candidate_bars for change in found.changes()] == [3, 4, 5]
    assert len(asked) == 3
    found.hear(control(9, T, "engine.candidate_bars", "9"), T + 9)
    assert [change.settings.candidate_bars for change in found.changes()] == [3, 4, 5, 9]


def test_what_cannot_stand_beside_the_others_is_refused_and_changes_nothing() -> None:
    """A log of neither posts nor trades: each of the two records is sound alone."""
    found = decisions()
    found.hear(control(1, T + 200_000, "engine.ticks", "false"), T)
    for from_ms in (T + 100_000, T + 300_000):
        with pytest.raises(RecordError, match=r"both false.*leave one of them true"):
            found.hear(control(2, from_ms, "engine.mentions", "false"), T)
    assert (len(found.steps), len(found.changes()), found.version) == (1, 1, 1)
    found.hear(control(3, T + 400_000, "engine.candidate_bars", "5"), T)
    assert (found.latest.settings.ticks, found.latest.settings.candidate_bars) == (False, 5)


def test_a_change_is_judged_by_what_is_in_force_when_it_comes() -> None:
    base = Detection(EngineSettings(mentions=False), blank_model(), Lexicon.parse(lexicon(doggo=A)))
    found = Decisions(base, ControlFiles(Path("nowhere")))
    with pytest.raises(RecordError, match="both false"):
        found.hear(control(1, T, "engine.ticks", "false"), T)
    found.hear(control(2, T, "engine.mentions", "true"), T)
    found.hear(control(3, T + 200_000, "engine.ticks", "false"), T)
    assert (found.latest.settings.mentions, found.latest.settings.ticks) == (True, False)


def test_history_is_as_long_as_the_longest_of_what_is_ever_in_force() -> None:
    found = decisions()
    hours = [found.history_ms // 3_600_000]
    found.hear(control(1, T, "engine.ticks", "false"), T)
    hours.append(found.history_ms // 3_600_000)
    found.hear(control(2, T + 200_000, "engine.ticks", "true"), T)
    hours.append(found.history_ms // 3_600_000)
    assert hours == [25, 170, 170]
