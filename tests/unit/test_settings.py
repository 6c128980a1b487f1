from __future__ import annotations

from pathlib import Path

import pytest

from detectors.settings import EngineSettings
from schemas.errors import ConfigError
from streams.kafka.connection import Membership
from streams.settings_load import load_settings, load_with_origins
from streams.toml_lines import lines_of
from streams.transport.app import new_app


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.toml"
    path.write_text(text, "utf-8")
    return path


def test_defaults_are_the_engines_own() -> None:
    assert load_settings().engine == EngineSettings()


def test_flags_win_over_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _file(tmp_path, '[http]\nport = 1\nhost = "a"\n[kafka]\ngroup = "file"\n')
    monkeypatch.setenv("GOLDENDOG_HTTP__PORT", "2")
    monkeypatch.setenv("GOLDENDOG_HTTP__HOST", "b")
    settings, origins = load_with_origins(path, {"http.port": 3, "data_dir": None})
    assert (settings.http.port, settings.http.host, settings.kafka.group) == (3, "b", "file")
    assert origins == {
        "http.port": "--http-port",
        "http.host": "GOLDENDOG_HTTP__HOST",
        "kafka.group": f"{path}:5",
    }


def test_the_file_is_found_by_variable_and_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "goldendog.toml").write_text("partitions = 3\n")
    assert load_settings().partitions == 3
    monkeypatch.setenv("GOLDENDOG_CONFIG", str(_file(tmp_path, "partitions = 5\n")))
    assert load_settings().partitions == 5


def test_webhooks_from_environment_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "GOLDENDOG_WEBHOOKS",
        '[{"name": "desk", "url": "https://example.com/x", '
        '"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}]',
    )
    (endpoint,) = load_settings().endpoints()
    assert endpoint.name == "desk"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("htp = 3", "some.toml:1: unknown setting htp; did you mean http"),
        ("[http]\nprt = 1", "some.toml:2: unknown setting http.prt; did you mean http.port"),
        ("[http]\nport = 'abc'", "some.toml:2: http.port is 'abc'; write a whole number"),
        ("[http]\nport = 99999", "some.toml:2: http.port is 99999; write 65535 or less"),
        ("[http]\nmax_body_bytes = 1", "http.max_body_bytes is 1; write 1024 or more"),
        ("[http]\ntoken = 3", "some.toml:2: http.token is ***; write a text in quotes"),
        ("http = 3", "some.toml:1: http is 3; write it as a table, such as [http]"),
        ("engine = 3", "some.toml:1: engine is 3; write it as a table, such as [http]"),
        ("webhooks = 3", "some.toml:1: webhooks is ***; write it as a list, such as [[webhooks]]"),
        ("[log]\nlevel = 'loud'", "log.level is 'loud'; write one of 'debug', 'info', 'warning'"),
        ("data_dir = 3", "some.toml:1: data_dir is 3; write a text in quotes"),
        ("[engine]\nlatness_ms = 3", "unknown setting engine.latness_ms; did you mean engine.late"),
        ("[engine]\nlateness_ms = 3.5", "engine.lateness_ms is 3.5; write a whole number"),
        (
            "[engine]\nlateness_ms = -3",
            "some.toml:2: engine.lateness_ms is -3; write a value from 0",
        ),
        (
            f"[engine]\ncandidate_logit_micro = {10**30}",
            f"some.toml:2: engine.candidate_logit_micro is {10**30}; keep it in 63 bits",
        ),
        (
            "keep_hours = 26\n[engine]\nticks = false",
            "keep_hours is 26, and with engine.ticks false baselines reach back 170 hours; write 171",
        ),
        ("[engine]\nfading_drawdown = 'x'", "engine.fading_drawdown is 'x'; write a number"),
        ("[kafka]\nbootstrap = ''", "kafka.bootstrap is ''; string should have at least 1"),
        ("x = = 3", "some.toml is no TOML: Invalid value (at line 1, column 5)"),
        ("[http]\nport = 1.5\nhost = 3", "http.host is 3 (and 1 more)"),
    ],
)
def test_a_bad_file_is_named_with_setting_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(_file(tmp_path, text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("GOLDENDOG_HTP", "3", "unknown variable GOLDENDOG_HTP; did you mean GOLDENDOG_HTTP"),
        ("GOLDENDOG_HTTP__PORT", "x", "GOLDENDOG_HTTP__PORT: http.port is 'x'; write a whole"),
        ("GOLDENDOG_HTTP__PRT", "1", "GOLDENDOG_HTTP__PRT: unknown setting http.prt"),
        ("GOLDENDOG_WEBHOOKS", "{3", "GOLDENDOG_WEBHOOKS is no JSON; write JSON, or one"),
        ("GOLDENDOG_ENGINE__LATENESS_MS", "-1", "GOLDENDOG_ENGINE__LATENESS_MS: engine.lateness"),
    ],
)
def test_a_bad_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert said in str(caught.value)


def test_a_missing_a_binary_and_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such settings file"):
        load_settings(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load_settings(tmp_path / "b.toml")
    with pytest.raises(ConfigError, match="cannot read settings file"):
        load_settings(tmp_path)


def test_lines_of_every_form_of_toml() -> None:
    text = """# first
a.b = "x" # dotted

[c]
"q r" = [
  1, # [not.a.table]
  2,
]
text = '''
[nor.this]
d = 1
'''
inline = {e = {f = 1}}
[[w]]
name = "one"
[w.inner]
g = 1
[[w]]
name = "two"
list = [{h = 1}, {i = 2}]
"""
    assert lines_of(text) == {
        "a": 2, "a.b": 2, "c": 4, "c.q r": 5, "c.text": 9, "c.inline": 13, "c.inline.e": 13,
        "c.inline.e.f": 13, "w": 14, "w.0": 14, "w.0.name": 15, "w.0.inner": 16, "w.0.inner.g": 17,
        "w.1": 18, "w.1.name": 19, "w.1.list": 20, "w.1.list.0": 20, "w.1.list.0.h": 20,
        "w.1.list.1": 20, "w.1.list.1.i": 20,
    }  # fmt: skip


def test_a_list_from_the_environment_replaces_the_files_and_its_origins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _file(tmp_path, '[[webhooks]]\nname = "a"\n[[webhooks]]\nname = "b"\nurl = "u"\n')
    assert load_with_origins(path)[1]["webhooks.1.url"] == f"{path}:5"
    monkeypatch.setenv("GOLDENDOG_WEBHOOKS", '[{"name": "c"}]')
    assert load_with_origins(path)[1] == {
        "webhooks": "GOLDENDOG_WEBHOOKS",
        "webhooks.0.name": "GOLDENDOG_WEBHOOKS",
    }


def test_membership_of_a_worker(tmp_path: Path) -> None:
    text = "[kafka]\nsession_timeout_s = 12\ninstance_id = 'dog-1'\ndelivery_timeout_s = 300\n"
    kafka = load_settings(_file(tmp_path, text)).kafka
    assert kafka.membership() == Membership("goldendog", "dog-1", 12, 3, 1)
    assert kafka.connection().delivery_timeout_s == 300
    options = kafka.membership().faust_options()
    app = new_app("app", **options)
    assert app.conf.consumer_group_instance_id == "dog-1"
    assert (app.conf.broker_session_timeout, app.conf.broker_heartbeat_interval) == (12, 3)


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("heartbeat_interval_s = 5", "write at most a third of it, 3.33333"),
        ("instance_id = 'a dog'", "use letters, digits, dots, dashes and underscores"),
        ("session_timeout_s = 0", "write 1.0 or more"),
    ],
)
def test_a_membership_that_cannot_be(tmp_path: Path, line: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(_file(tmp_path, f"[kafka]\n{line}\n"))
    assert caught.value.remedy == remedy


def test_a_log_keeps_what_baselines_are_made_of(tmp_path: Path) -> None:
    for text, hours in (
        ("keep_hours = 26", 26),
        ("keep_hours = 171\n[engine]\nticks = false", 171),
    ):
        assert load_settings(_file(tmp_path, text)).keep_hours == hours
