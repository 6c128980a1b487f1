from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from streams.logs import CHATTY, configure_logs
from streams.run.quiet import FloodFilter


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in CHATTY}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, kept in levels.items():
        logging.getLogger(name).setLevel(kept)
    structlog.reset_defaults()


def test_both_ways_of_logging_give_the_same_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    logging.getLogger("streams.a").info("read %s", "x", extra={"partition": 3})
    structlog.get_logger("streams.b").info("read", partition=3)
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["partition"], first["logger"]) == ("read x", 3, "streams.a")
    assert (second["event"], second["partition"], second["logger"]) == ("read", 3, "streams.b")
    assert first["level"] == second["level"] == "info"
    assert first["timestamp"].endswith("Z")


def test_levels_and_chatty_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    logging.getLogger("streams").debug("no")
    logging.getLogger("aiokafka.consumer").info("no")
    logging.getLogger("aiokafka.consumer").warning("yes")
    configure_logs("debug", "json")
    logging.getLogger("aiokafka.consumer").debug("yes")
    logging.getLogger("streams.transport.app").debug("[^-App]: Starting...")
    configure_logs("info", "json")
    logging.getLogger("streams.transport.app").info("[^-App]: Starting...")
    logging.getLogger("streams.transport.app").warning("[^-App]: Crashed")
    told = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert told == ["yes", "yes", "[^-App]: Starting...", "[^-App]: Crashed"]


def test_a_traceback_is_a_field_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: boom" in json.loads(line)["exception"]


def test_text_is_for_readers(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "text")
    logging.getLogger("streams").warning("careful")
    err = capsys.readouterr().err
    assert "careful" in err
    assert not err.startswith("{")


def test_what_a_client_says_again_and_again_is_told_once_in_a_while(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("info", "json")
    now = 0.0
    logging.getLogger().handlers[0].addFilter(FloodFilter(10.0, lambda: now))
    client = logging.getLogger("aiokafka.conn")
    for second in range(25):
        now = float(second)
        client.error("no connection to %d", second)
        logging.getLogger("streams.a").error("ours")
    told = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    again = "(and 9 times more since it was last told)"
    assert [text for text in told if text != "ours"] == [
        "no connection to 0",
        f"no connection to 10 {again}",
        f"no connection to 20 {again}",
    ]
    assert told.count("ours") == 25
