from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from schemas.errors import BusyError, StateError, UserError
from streams.cli import main as cli
from streams.cli.lazy import Lazy

HEAVY = ("numpy", "numba", "faust", "aiokafka", "pyarrow", "aiohttp", "sklearn", "rich")
COERCION = "pydantic"  # typer's own, loaded with the first value it converts


def _loaded_after(args: list[str]) -> set[str]:
    code = (
        f"import sys; from streams.cli.main import exit_code; exit_code({args!r}); "
        f"print('loaded:', *sorted({{*{HEAVY!r}, {COERCION!r}}} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize("args", [["--help"], [], ["nope"], ["version"], ["schema"]])
def test_light_commands_import_nothing_heavy(args: list[str]) -> None:
    assert _loaded_after(args) <= (set() if args == ["--help"] else {COERCION})


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_the_help_of_each_command_imports_nothing_heavy(name: str) -> None:
    assert _loaded_after([name, "--help"]) <= {COERCION}


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.exit_code([name, "--help"]) == 0
    assert f"Usage: goldendog {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["verzion"], "goldendog: No such command 'verzion'. Did you mean 'version'?"),
        (["version", "--loud"], "goldendog: No such option: --loud (see goldendog version --help)"),
        (["schema", "mentoin"], "goldendog: no record is called 'mentoin'; choose among mention,"),
        (["config", "show", "--config", "/nowhere.toml"], "no such settings file: /nowhere.toml"),
    ],
)
def test_a_mistake_is_one_sentence_and_code_2(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.exit_code(args) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.parametrize("group", ["config", "topics"])
def test_a_group_without_a_command_shows_its_help(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.exit_code([group]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"Usage: goldendog {group}")
    assert "\nCommands:\n" in err


def _raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def version() -> None:
        raise error

    monkeypatch.setattr("streams.cli.version_cmd.version", version)
    return cli.exit_code(["version"])


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("no such folder: /x", "make it"), 2, "goldendog: no such folder: /x; make it\n"),
        (BusyError("port 8080 is in use"), 2, "goldendog: port 8080 is in use\n"),
        (StateError("torn\nsnapshot"), 1, "goldendog: torn snapshot\n"),
        (PermissionError(13, "Permission denied", "/root/x"), 2, "denied: /root/x; check its permissions\n"),
        (IsADirectoryError(21, "Is a directory", "/root"), 2, "goldendog: Is a directory: /root\n"),
        (OSError(28, "No space left on device"), 1, "No space left on device; free some room\n"),
        (KeyboardInterrupt(), 130, "goldendog: interrupted\n"),
        (typer.Abort(), 130, "goldendog: interrupted\n"),
        (BrokenPipeError(), 1, ""),
        (ZeroDivisionError("boom"), 1, "a bug in goldendog: ZeroDivisionError: boom; set GOLDENDOG_DEBUG=1"),
    ],
)  # fmt: skip
def test_every_error_has_its_code_and_no_traceback(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "_forget_stdout", lambda: None)  # pytest owns the descriptor
    assert _raising(error, monkeypatch) == code
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert err.count("\n") == (1 if said else 0)


def test_an_interrupt_tells_what_it_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("GOLDENDOG_DEBUG", "1")  # there is no bug to look for
    monkeypatch.setattr("streams.scenario.export.encode_record", stop)
    assert cli.exit_code(["demo", "--write", str(tmp_path / "new")]) == 130
    assert capsys.readouterr().err == "goldendog: interrupted; nothing was written\n"
    assert not list(tmp_path.iterdir())


def test_an_interrupt_while_options_are_read_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", stop)
    assert cli.exit_code(["version"]) == 130
    assert capsys.readouterr().err == "goldendog: interrupted\n"


def test_a_file_that_may_not_be_read_has_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r.ndjson"
    file.touch()
    monkeypatch.setattr("os.access", lambda *_, **__: False)  # root may read anything
    assert cli.exit_code(["replay", str(file), "--out", str(tmp_path / "out")]) == 2
    said = "r.ndjson' is not readable; check its permissions (see goldendog replay --help)\n"
    assert capsys.readouterr().err.endswith(said)


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDENDOG_DEBUG", "1")
    with pytest.raises(UserError):
        _raising(UserError("x"), monkeypatch)


def test_a_command_may_return_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def version() -> int:
        return 1

    monkeypatch.setattr("streams.cli.version_cmd.version", version)
    assert cli.exit_code(["version"]) == 1


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m streams.cli.main schema alert | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_summaries_name_real_functions() -> None:
    for name, lazy in cli.COMMANDS.items():
        assert isinstance(lazy, Lazy)
        assert lazy.module.startswith("streams.cli.")
        assert lazy.summary.endswith("."), name


def test_schema_writes_a_folder_and_checks_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.exit_code(["schema", "--out", str(tmp_path / "new")]) == 0
    assert json.loads((tmp_path / "new" / "tick.schema.json").read_text())["title"] == "Tick"
    assert cli.exit_code(["schema", "--check"]) == 0
    assert "are current" in capsys.readouterr().err


def test_schema_check_fails_on_a_stale_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("schemas.json_schema.schema_text", lambda schema: "{}\n")
    assert cli.exit_code(["schema", "--check", "tick"]) == 1
    assert "stale in" in capsys.readouterr().err


def test_config_show_names_origins_and_hides_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOLDENDOG_HTTP__TOKEN", "hush-hush")
    file = tmp_path / "g.toml"
    file.write_text(
        '[http]\nport = 9\n[[webhooks]]\nname = "desk"\nurl = "https://example.com/hush"\n'
        'secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"\n'
    )
    assert cli.exit_code(["config", "show", "--json", "--config", str(file)]) == 0
    out = capsys.readouterr().out
    rows = json.loads(out)
    assert rows["http.port"] == {"value": 9, "origin": f"{file}:2"}
    assert rows["http.token"] == {"value": "***", "origin": "GOLDENDOG_HTTP__TOKEN"}
    assert rows["engine.lateness_ms"] == {"value": 2000, "origin": "default"}
    assert rows["webhooks.desk.url"] == {"value": "https://example.com/***", "origin": f"{file}:5"}
    assert rows["webhooks.desk.secrets"] == {"value": ["***"], "origin": f"{file}:6"}
    assert rows["webhooks.desk.max_per_day"] == {"value": 20, "origin": "default"}
    assert "hush" not in out
    assert "MfKQ" not in out


def test_config_show_takes_the_flags_of_run_and_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOLDENDOG_HTTP", '{"port": 1, "host": "h"}')
    monkeypatch.setenv("GOLDENDOG_DATA_DIR", "d")
    args = ["--http-port", "5", "--bootstrap", "k:1", "--lexicon", "l.json"]
    assert cli.exit_code(["config", "show", *args]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    assert rows["http.port"] == "5 (--http-port)"
    assert rows["http.host"] == '"h" (GOLDENDOG_HTTP)'
    assert rows["data_dir"] == '"d" (GOLDENDOG_DATA_DIR)'
    assert rows["kafka.bootstrap"] == '"k:1" (--bootstrap)'
    assert rows["lexicon"] == '"l.json" (--lexicon)'
    assert rows["kafka.sasl_password"] == '"" (default)'
    assert lines[-1] == "settings file: none"


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["replay", "caf\udce9.ndjson", "--out", "nu"], "caf\\xe9.ndjson"),
        (["replay", "d\udcff", "--out", "nu"], "d\\xff"),
        (["replay", "d", "--out", "nu"], "d/caf\\xe9.ndjson"),
        (["replay", "d/a.ndjson", "--out", "nu\udcff"], "nu\\xff"),
        (["import", "csv", "t\udce9.csv", "--out", "nu", "--kind", "mention"], "t\\xe9.csv"),
        (["import", "x-mentions", "t.csv", "--out", "nu\udcff"], "nu\\xff"),
    ],
)
def test_a_name_that_is_not_utf8_is_told(
    args: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # it had been "a bug in goldendog: UnicodeEncodeError"
    monkeypatch.chdir(tmp_path)
    for folder in ("d", "d\udcff"):
        Path(folder).mkdir()
        Path(folder, "a.ndjson").write_text("{}\n")
    for name in ("caf\udce9.ndjson", "d/caf\udce9.ndjson"):
        Path(name).write_text("{}\n")
    for name in ("t\udce9.csv", "t.csv"):
        Path(name).write_text("t,coin,tweets,users\n28945020,WIF,1,1\n")
    assert cli.exit_code(args) == 2
    out, err = capsys.readouterr()
    assert err.endswith(f"{named} is not UTF-8; rename it to UTF-8\n") and err.count("\n") == 1
    assert out == ""
    assert not Path("nu").exists()


@pytest.mark.parametrize(
    "args", [["replay", "a.ndjson"], ["import", "x-mentions", "t.csv"]], ids=["replay", "import"]
)
def test_a_folder_that_is_not_utf8_is_told_where_its_name_is_written(
    args: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "d\udcff").mkdir()
    monkeypatch.chdir(tmp_path / "d\udcff")
    Path("a.ndjson").write_text("{}\n")
    Path("t.csv").write_text("t,coin,tweets,users\n28945020,WIF,1,1\n")
    assert cli.exit_code([*args, "--out", "nu"]) == 2
    assert "d\\xff" in capsys.readouterr().err
    assert cli.exit_code(["version"]) == 0
