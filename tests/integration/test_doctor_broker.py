"""The doctor asks a real broker, and names what its topics lack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.topics import TOPICS
from streams.cli.main import exit_code
from tests.kafka.broker import KafkaBroker

pytestmark = pytest.mark.broker


def test_a_broker_answers_and_its_topics_are_looked_at(
    kafka_broker: KafkaBroker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    args = ["doctor", "--json", "--http-port", "0", "--bootstrap", kafka_broker.bootstrap]
    assert exit_code(args) == 0
    checks = {c["name"]: c for c in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["broker"]["verdict"] == "OK"
    assert checks["broker"]["found"] == f"{kafka_broker.bootstrap} answers"
    # The broker is shared: topics may be missing, or be those of another test.
    topics = checks["topics"]
    if topics["verdict"] == "WARN":
        assert any(topics["found"].startswith(f"{spec.name}: ") for spec in TOPICS)
        assert "topics create" in topics["remedy"]
    else:
        assert topics["found"] == "as they should be"
