"""Every check, in the order in which a fault in one explains a fault in a later one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas.errors import GoldendogError
from streams.doctor import machine, network, places
from streams.doctor.check import Check, failed
from streams.settings import Settings
from streams.settings_load import config_path, load_with_origins


def examine(config: Path | None, flags: Mapping[str, object], *, broker: bool) -> Iterator[Check]:
    """Look at this machine as ``goldendog run`` with these settings would meet it.

    Parameters
    ----------
    config, flags : as ``load_settings`` takes them; where they cannot be used, that is a check that
        failed, and the defaults are looked at.
    broker : ask the brokers too; also asked where a file or variable names one.
    """
    yield machine.check_python()
    yield machine.check_packages()
    yield machine.check_clock()
    try:
        settings, origins = load_with_origins(config, flags)
        file = config_path(config)
        yield Check("settings", "OK", f"from {file}" if file else "no file: defaults")
    except GoldendogError as error:
        yield failed("settings", error)
        settings, origins = Settings.model_construct(), {}
    yield places.check_cache()
    yield places.check_data_folder(settings.data_dir)
    yield machine.check_room("disk of data", settings.data_dir)
    yield machine.check_room("disk of cache", places.cache_folder())
    yield machine.check_room("disk of temporary files", Path(tempfile.gettempdir()))
    yield places.check_model(settings.model)
    yield places.check_lexicon(settings.lexicon)
    yield network.check_webhooks(settings)
    yield network.check_port(settings.http)
    if broker or "kafka.bootstrap" in origins:
        yield from network.check_broker(settings.kafka, settings.engine.history_ms)
