"""What ``make bench-kafka`` prints, and what its parts rest on, without a broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.kafka import backlog, feeds, quix
from benchmarks.kafka.backlog import Backlog, Sizes, summary
from benchmarks.kafka.live import latencies
from benchmarks.kafka.measure import Options, measure
from benchmarks.kafka.receiver import Received
from benchmarks.kafka.report import lines
from benchmarks.kafka.traffic import Sent, Traffic
from schemas.decode import decode_record
from schemas.records import Mention, Tick

RUN = {"records": 1_000, "cpu_s": 0.01, "wall_s": 0.02}


def test_a_backlog_is_reported_by_its_median_and_in_ratios() -> None:
    slow = {"records": 1_000, "cpu_s": 0.1, "wall_s": 0.1}
    runs = {
        "detect": [RUN, RUN, slow],
        "resolve": [RUN],
        "faust_decode": [slow],
        "quix_scores": [slow],
    }
    part = summary(runs, "quixstreams==1")
    assert part["rows"]["detect"]["records_per_cpu_s"] == pytest.approx(100_000)
    assert part["rows"]["detect"]["least"] == pytest.approx(10_000)
    assert part["rows"]["detect"]["cores"] == pytest.approx(0.5)
    assert part["ratios"] == {
        "detect_to_faust_decode": pytest.approx(10),
        "detect_to_quix_scores": pytest.approx(10),
    }
    told = list(lines("backlog", part | {"sizes": {"partitions": 8, "runs": 3}}))
    assert max(map(len, told)) <= 90
    assert any("100,000 (10,000-100,000)" in line for line in told)
    assert sum("10.0 x" in line for line in told) == 2


def test_handlers_are_measured_from_memory_without_a_broker() -> None:
    report = dict(measure(Options(("memory",), quick=True)))
    assert list(report) == ["machine", "memory"]
    (row,) = report["memory"]
    assert row["batch"] == 500
    assert min(row["ticks_per_cpu_s"], row["mentions_per_cpu_s"]) > 0
    assert max(len(line) for name in report for line in lines(name, report[name])) <= 90


def test_a_wave_waits_from_each_record_of_the_bar_that_raised_the_alert() -> None:
    traffic = Traffic("nowhere", 1, 100.0)
    traffic.sent = [
        Sent("momo", 9_999, 1.0),  # of the bar before
        Sent("momo", 10_000, 2.0),
        Sent("momo", 14_999, 6.5),
        Sent("momo", 15_000, 7.0),
        Sent("rednote", 12_000, 4.0),
    ]
    received = [Received(9.0, "momo", "candidate", 15_000, "gd_1")]
    assert latencies(received, traffic) == [7.0, 2.5]


def test_a_trickle_is_told_in_lines_that_fit() -> None:
    part = {
        "sizes": {"partitions": 8},
        "load_1min": 1.2,
        "records_per_s": 2_000.4,
        "cpu_share": 0.1234,
        "alerts": 40,
        "latency_records": 1_600,
        "latency_s": {"p50": 4.94, "p90": 6.0, "p99": 7.21, "most": 7.4},
    }
    told = list(lines("trickle", part))
    assert max(map(len, told)) <= 90
    assert told[1].endswith("12.3% of a core")
    assert told[2].endswith("4.9, 7.2 s")
    nothing = part | {"latency_s": dict.fromkeys(("p50", "p90", "p99", "most"))}
    assert list(lines("trickle", nothing))[2].endswith(" -")


def test_restarts_are_told_in_lines_that_fit() -> None:
    cost = {"cpu_us_per_event": 5.21, "events_per_s": 123_456.7}
    parts: dict[str, Any] = {
        "pair": {"ticks": 400_000, "runs": 3, "share": 0.25}
        | {f"{name}_{key}": value for name in ("one", "two") for key, value in cost.items()},
        "restore": {"tokens": 100_000, "sizes": {"partitions": 8}, "seconds": 4.26},
        "kill": {"records_per_s": 9_999.6, "caught_up_s": 8.04},
        "rolling": {
            "alerts": 90,
            "calm_silence_s": 2.5,
            "rolling_silence_s": 9.0,
            "broker_silence_s": 21.0,
            "broker_down_s": 8.8,
        },
    }
    told = [line for name, part in parts.items() for line in lines(name, part)]
    assert max(map(len, told)) <= 90
    ends = ["5.2 us; 123,457", "1.00 x", "4.3 s", "caught up in 8.0 s", "2.5 s", "9.0 s", "21.0 s"]
    for end in ends:
        assert any(line.endswith(" " + end) for line in told), end
    parts["kill"]["caught_up_s"] = None
    assert next(lines("kill", parts["kill"])).endswith(" does not keep up")
    del parts["rolling"]["broker_silence_s"]  # a broker of one's own is left as it is
    assert len(list(lines("rolling", parts["rolling"]))) == 3


def test_feeds_are_records_of_about_two_hundred_bytes() -> None:
    ticks, mentions = feeds.ticks(500, tokens=100), feeds.mentions(500)
    assert {type(decode_record(value)) for value in ticks.values} == {Tick}
    assert {type(decode_record(value)) for value in mentions.values} == {Mention}
    assert 190 < sum(map(len, ticks.values)) / 500 < 230
    assert 200 < sum(map(len, mentions.values)) / 500 < 270
    assert len(set(ticks.keys)) == 100


def test_a_peer_that_cannot_be_installed_is_left_out_and_said(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.touch()
    python, told = quix.install(taken)
    assert python is None
    assert told.startswith("left out: quixstreams==3")
    assert "could not be installed (" in told


def test_a_watch_sees_what_is_committed_when_it_begins_and_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = [7]

    class Counting:
        def __init__(self, _: str) -> None:
            pass

        def committed(self, *_: str) -> int:
            return done[0]

        def close(self) -> None:
            pass

    monkeypatch.setattr(backlog, "Cluster", Counting)
    with Backlog("nowhere", Sizes(0, 0, 0, 1, 1), tmp_path).watched("group", "topic") as seen:
        assert [at for _, at in seen] == [7]
        done[0] = 9
    assert [at for _, at in seen] == [7, 9]
