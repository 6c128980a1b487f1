"""deploy/compose.yaml and the Dockerfile against what they start: commands, settings, ports, files.

No container is started here: ``make deploy-docker`` starts them all, ``make deploy-hosts`` without Docker.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from schemas.errors import ConfigError
from streams.cli.main import exit_code
from streams.kafka import admin
from streams.run import kafka as running
from streams.settings_load import load_settings
from tests.deploy.service import environment
from tests.helpers.prometheus import promtool

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
WORKERS = ("worker-1", "worker-2")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())[
        "services"
    ]
    return found


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment that the Dockerfile sets, with folders of this machine."""
    monkeypatch.chdir(tmp_path)
    text = (DEPLOY / "Dockerfile").read_text()
    told = dict(re.findall(r"\b(GOLDENDOG_\w+)=(\S+)", text))
    assert set(told) == {
        "GOLDENDOG_CACHE_DIR",
        "GOLDENDOG_DATA_DIR",
        "GOLDENDOG_LOG__FORMAT",
    }
    monkeypatch.setenv("GOLDENDOG_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GOLDENDOG_LOG__FORMAT", told["GOLDENDOG_LOG__FORMAT"])


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_starts_with_these_words_and_settings(
    name: str, services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[running.KafkaPlan] = []
    monkeypatch.setattr(running, "run_worker", lambda plan, *_: plans.append(plan))
    for variable, value in environment(services[name]).items():
        monkeypatch.setenv(variable, value)
    inside = "/etc/goldendog/lexicon.json"
    [mount] = [v for v in services[name]["volumes"] if f":{inside}:" in v]
    monkeypatch.setenv("GOLDENDOG_LEXICON", str(DEPLOY / mount.split(":")[0]))
    assert exit_code(services[name]["command"]) == 0
    [plan] = plans
    assert plan.http
    assert plan.settings.http.host == "0.0.0.0"
    assert plan.settings.kafka.instance_id == name
    assert plan.settings.endpoints() == ()
    assert len(plan.lexicon) > 1_000
    assert services[name]["environment"]["GOLDENDOG_LEXICON"] == inside
    published = services[name]["ports"][0].rpartition(":")[2]
    assert plan.settings.http.port == int(published)
    assert plan.settings.kafka.bootstrap in advertised(services)


@pytest.mark.usefixtures("image")
def test_the_topics_are_made_before(
    services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int, int]] = []

    def create(where: Any, partitions: int, mentions: int, **_: Any) -> admin.Created:
        asked.append((where.bootstrap, partitions, mentions))
        return admin.Created((), (), 0, 0)

    monkeypatch.setattr(admin, "topics_create", create)
    assert exit_code(services["topics"]["command"]) == 0
    [(bootstrap, partitions, mentions)] = asked
    assert bootstrap in advertised(services)
    kafka = load_settings(None, {}).kafka
    assert (partitions, mentions) == (kafka.partitions, kafka.mention_partitions)
    for name in WORKERS:
        needs = services[name]["depends_on"]
        assert needs == {"topics": {"condition": "service_completed_successfully"}}
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}


def advertised(services: dict[str, dict[str, Any]]) -> set[str]:
    """Addresses at which the broker is found, those of listeners that it has."""
    told = services["kafka"]["environment"]
    names = [each.split("://") for each in told["KAFKA_ADVERTISED_LISTENERS"].split(",")]
    listening = dict(each.split("://") for each in told["KAFKA_LISTENERS"].split(","))
    assert all(listening[name] == f":{address.partition(':')[2]}" for name, address in names)
    protocols = dict(
        each.split(":") for each in told["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    )
    assert set(protocols) == set(listening)
    assert told["KAFKA_INTER_BROKER_LISTENER_NAME"] in dict(names)
    assert told["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    return {address for _, address in names}


def test_a_setting_that_nobody_knows_would_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDENDOG_KAFKA__INSTANCE", "worker-1")
    with pytest.raises(ConfigError, match=r"instance"):
        load_settings(None, {})


def test_images_are_pinned_and_ports_stay_on_this_machine(
    services: dict[str, dict[str, Any]],
) -> None:
    pom = (ROOT / "streams" / "local_kafka" / "pom.xml").read_text()
    version = re.search(r"kafka_2.13</artifactId>\s*<version>([\d.]+)<", pom)
    assert version is not None
    images = {name: service["image"] for name, service in services.items()}
    assert images.pop("kafka") == f"apache/kafka:{version[1]}"  # the broker of our tests
    assert {images.pop(name) for name in (*WORKERS, "topics")} == {"goldendog"}
    assert all(re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", image) for image in images.values())
    for line in re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", line)
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports)


def test_an_image_of_ours_is_asked_of_no_registry(services: dict[str, dict[str, Any]]) -> None:
    """`docker compose pull`, and `up` before the first build, would look for it on Docker Hub."""
    ours = {name: each for name, each in services.items() if each["image"] == "goldendog"}
    [builder] = [name for name, each in ours.items() if "build" in each]
    assert {each.get("pull_policy") for name, each in ours.items() if name != builder} == {"never"}


def test_every_file_named_is_there(services: dict[str, dict[str, Any]]) -> None:
    named = [v.split(":")[0] for s in services.values() for v in s.get("volumes", ())]
    volumes = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["volumes"]
    for name in named:
        assert (DEPLOY / name).exists() if name.startswith(".") else name in volumes
    build = services["topics"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(
        r"^COPY (?!--from)(.*) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE
    )
    for source in " ".join(copied).split():
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


def test_prometheus_scrapes_both_workers(services: dict[str, dict[str, Any]]) -> None:
    config = DEPLOY / "prometheus" / "compose.yml"
    promtool("check", "config", str(config))
    [job] = yaml.safe_load(config.read_text())["scrape_configs"]
    [targets] = [each["targets"] for each in job["static_configs"]]
    assert targets == [f"{n}:{services[n]['ports'][0].rpartition(':')[2]}" for n in WORKERS]
    assert f"--config.file=/etc/prometheus/{config.name}" in services["prometheus"]["command"]
