"""The tables of the reference pages: settings, records, features, metrics, limits."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import MISSING, fields
from inspect import cleandoc
from types import SimpleNamespace
from typing import Any, Final

import msgspec

from detectors.alerts import MAX_REASONS
from detectors.layout import BAR_MS, EXPIRE_BARS, FEATURES, MIN_MINUTES, MIN_QUARTERS
from detectors.settings import EngineSettings
from schemas import records
from schemas.decode import MAX_RECORD_BYTES
from schemas.json_schema import STRUCTS
from schemas.topics import TOPICS
from streams.features import FEATURE_WORDS
from streams.log.topics import MAX_PARTITIONS
from streams.metrics.crew import CrewCollector
from streams.metrics.metrics import MAX_LABEL_VALUES, Metrics
from streams.numba_cache import ROOM_BYTES
from streams.replay.tables import EVIDENCE, REASONS
from streams.settings import ENV_PREFIX, HttpSettings, KafkaSettings, LogSettings, Settings
from streams.sinks.webhook.settings import EndpointSettings
from streams.web.patience import HEADERS_TIMEOUT_S
from streams.web.records import Limits

EXAMPLES: Final = {
    "deviations": 6.2,
    "count": 31.0,
    "0 to 1": 0.64,
    "platforms": 3.0,
    "log2_volume_60s": 12.0,
    "authors_per_mention": 0.8,
    "reach_per_mention_log2": 10.0,
    "turnover": 0.05,
    "trades_per_trader": 1.4,
    "return_5m": 0.3,
    "return_1h": 1.6,
    "age_min": 95.0,
    "mentions_mean_1h": 2.1,
    "traders_mean_1h": 3.4,
}
"""Values to say, by feature or by unit."""


# -- tables ------------------------------------------------------------------------------------


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; bars in cells are escaped."""

    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    return line(head) + "|" + "---|" * len(head) + "\n" + "".join(map(line, rows))


def parameters(doc: str | None) -> dict[str, str]:
    """What a docstring's Parameters section says of each name, in one line."""
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?:^\w+\n-+\n|\Z)", cleandoc(doc or ""), re.MULTILINE | re.DOTALL
    )
    found: dict[str, str] = {}
    for names, text in re.findall(
        r"^(\w[\w, ]*?) : (.*?)(?=^\w[\w, ]* : |\Z)",
        section[1] if section else "",
        re.MULTILINE | re.DOTALL,
    ):
        for name in names.split(", "):
            found[name] = " ".join(text.replace("``", "`").split()).rstrip(".,;")
    return found


# -- settings ----------------------------------------------------------------------------------


def settings() -> str:
    """Every setting: default, variable, meaning."""
    text = "# Settings\n\nIn a TOML file, in the environment, as flags: see [Running it](../running.md#settings).\n"
    sections = {"http": HttpSettings, "kafka": KafkaSettings, "log": LogSettings}
    own = parameters(Settings.__doc__)
    plain = [n for n in Settings.model_fields if n not in (*sections, "engine", "webhooks")]
    text += "\n## At the top\n\n" + _model_table(Settings, plain, own, "")
    for name, model in sections.items():
        first = cleandoc(model.__doc__ or "").splitlines()[0]
        meanings = parameters(model.__doc__)
        text += f"\n## [{name}]\n\n{first}\n\n"
        text += _model_table(model, list(model.model_fields), meanings, f"{name}.")
    text += "\n## [engine]\n\nThey are part of the fingerprint: another value, other alerts.\n\n"
    text += table(
        ("setting", "default", "meaning"),
        [
            (f"`engine.{f.name}`", f"`{f.default}`", parameters(EngineSettings.__doc__)[f.name])
            for f in fields(EngineSettings)
        ],
    )
    meanings = parameters(EndpointSettings.__doc__)
    text += "\n## [[webhooks]]\n\nOne table a receiver; see [Webhooks](../webhooks.md).\n\n"
    text += table(
        ("setting", "default", "meaning"),
        [
            (
                f"`{f.name}`",
                "required" if f.default is MISSING else f"`{json.dumps(f.default)}`",
                meanings[f.name],
            )
            for f in fields(EndpointSettings)
        ],
    )
    return text


def _model_table(model: Any, names: list[str], meanings: dict[str, str], at: str) -> str:
    rows = []
    for name in names:
        default = model.model_fields[name].default
        dump = model.model_construct().model_dump(mode="json")[name]
        shown = "none" if default is None else f"`{json.dumps(dump)}`"
        variable = f"`{ENV_PREFIX}{(at + name).upper().replace('.', '__')}`"
        rows.append((f"`{at}{name}`", shown, variable, meanings[name]))
    return table(("setting", "default", "variable", "meaning"), rows)


# -- records -----------------------------------------------------------------------------------


def record_tables() -> str:
    """Every struct's fields, and the topics."""
    text = (
        "# Records and topics, field by field\n\n[Records](../records.md) and [Alerts](../alerts.md) say what to do "
        "with them; [`schemas/jsonschema/`](../../schemas/jsonschema/) is for machines.\n"
    )
    names = list(STRUCTS.values())
    _, found = msgspec.json.schema_components(names, ref_template="{name}")
    for name in [s.__name__ for s in names] + [
        n for n in found if n not in {s.__name__ for s in names}
    ]:
        schema: Any = found[name]
        if schema["type"] == "array":
            continue
        about = cleandoc(getattr(records, name).__doc__).replace("``", "`")
        rows = [
            (f"`{field}`", *_kind(shape), "required" if field in schema.get("required", ()) else "")
            for field, shape in schema["properties"].items()
        ]
        cells = [(field, kind, needed, note) for field, kind, note, needed in rows]
        text += f"\n## {name}\n\n{about}\n\n" + table(("field", "type", "", ""), cells)
    text += "\n## Topics\n\n" + table(
        ("topic", "keyed by", "kept"),
        [
            (
                f"`{t.name}`",
                t.keyed_by,
                "compacted" if t.compacted else _days(t.retention_ms),
            )
            for t in TOPICS
        ],
    )
    return text


def _days(retention_ms: int) -> str:
    return "for ever" if retention_ms < 0 else f"{retention_ms // 86_400_000} days"


def _kind(shape: dict[str, Any]) -> tuple[str, str]:
    if "anyOf" in shape:
        kinds = [_kind(each) for each in shape["anyOf"] if each.get("type") != "null"]
        null = any(each.get("type") == "null" for each in shape["anyOf"])
        note = next((n for _, n in kinds if n), "") or shape.get("description", "")
        return " or ".join(dict.fromkeys(k for k, _ in kinds)) + (" or null" if null else ""), note
    if "$ref" in shape:
        return f"[{shape['$ref']}](#{shape['$ref'].lower()})", ""
    if "enum" in shape:
        return " or ".join(f"`{value}`" for value in shape["enum"]), ""
    kind = str(shape.get("type", "any"))
    if kind == "array":
        kind = f"list of {_kind(shape['items'])[0]}"
    limits = [
        f"{word} {shape[key]:,}"
        for key, word in (
            ("minLength", "at least"),
            ("maxLength", "at most"),
            ("maxItems", "at most"),
            ("minimum", "from"),
        )
        if key in shape and shape[key] != 1
    ]
    note = "; ".join([*([shape["description"]] if "description" in shape else []), *limits])
    return kind, note


# -- features ----------------------------------------------------------------------------------


def features() -> str:
    """Every feature of the classifier."""
    rows = []
    for number, name in enumerate(FEATURES):
        f = FEATURE_WORDS[name]
        example = EXAMPLES[name] if name in EXAMPLES else EXAMPLES[f.unit]
        rows.append(
            (str(number), f"`{name}`", f.meaning, f.unit, f"{example:g}: {f.phrase(example)}")
        )
    return (
        "# Features\n\nWhat the classifier looks at (all but the last), the columns of `scores.parquet`, and the names in an alert's "
        "`reasons`. Unknown is null, never 0: a z-score before its baseline is long enough, a ratio without a "
        "denominator. The last minute is the twelve bars that end with the scored one.\n\n"
        + table(("", "name", "meaning", "unit", "for example"), rows)
    )


# -- metrics -----------------------------------------------------------------------------------


def metrics() -> str:
    """Every metric that a process tells of itself, beside Python's own of the process."""
    rows = sorted(_families())
    return (
        "# Metrics\n\nWhat `/metrics` tells; [Metrics and health](../metrics.md) says what to do about it. "
        "A counter's name ends in `_total` there, and a histogram has `_bucket`, `_sum` and `_count`.\n\n"
        + table(("metric", "kind", "labels", "meaning"), rows)
    )


def _families() -> Iterator[tuple[str, ...]]:
    tally = SimpleNamespace(
        alerts=Counter(),
        alerts_again=0,
        duplicates=0,
        records=Counter(),
        lost=Counter({"a": 1}),
        checkpoints=0,
        checkpoint_bytes={0: 1},
        checkpoint_seconds={0: 1.0},
        checkpoint_ms={0: 1},
        restore_seconds={0: 1.0},
    )
    engine = SimpleNamespace(
        tracked=0, open_episodes=0, inputs=("a",), held_by=lambda: "a", through_log_ms=lambda _: 1
    )
    told = Metrics("1")
    told.registry.register(CrewCollector(tally, lambda: {0: engine}, live=True))  # type: ignore[arg-type, dict-item]
    labels = {
        getattr(c, "_name", ""): getattr(c, "_labelnames", ())
        for c in told.registry._collector_to_names
    }
    for family in told.registry.collect():
        if family.name.startswith("process_"):
            continue
        names = getattr(family, "_labelnames", None) or labels.get(family.name, ())
        if family.type == "info":
            names = sorted({k for sample in family.samples for k in sample.labels})
        total = "_total" if family.type == "counter" else "_info" if family.type == "info" else ""
        meaning = " ".join(family.documentation.split())
        yield f"`{family.name}{total}`", family.type, ", ".join(names), meaning


# -- limits ------------------------------------------------------------------------------------


def limits() -> str:
    """Every number at which something stops."""
    door = Limits()
    engine = EngineSettings()
    rows = [
        ("a record, as JSON", f"{MAX_RECORD_BYTES:,} bytes", "`too_large`, a dead letter"),
        ("an id, a token id", f"{records.MAX_ID_CHARS} characters", "`wrong_shape`"),
        ("a post's text", f"{records.MAX_TEXT_CHARS:,} characters", "`wrong_shape`"),
        ("tokens named by a post", str(records.MAX_TOKENS_PER_MENTION), "beyond: a list, names none"),
        ("times", "2009 to 2100", "`bad_time`"),
        ("records behind the log", f"{engine.backfill_limit_ms // 60_000} min", "counted as late, not used"),
        ("ids remembered for duplicates", f"{engine.backfill_limit_ms // 60_000} min", "an id may count again"),
        ("silence of a token", f"{EXPIRE_BARS * BAR_MS // 3_600_000} h", "it starts anew"),
        ("baseline before a score", f"{MIN_MINUTES} min, {MIN_QUARTERS} quarters", "unknown, null"),
        ("reasons of an alert", f"{MAX_REASONS}, of which Parquet has {REASONS}", "the rest is left out"),
        ("evidence of an alert", f"{EVIDENCE} ids", "the rest is left out"),
        ("partitions", f"{MAX_PARTITIONS:,}", "refused when created"),
        ("a body at the HTTP door", f"{door.max_body_bytes >> 20} MiB packed", "413; `http.max_body_bytes`"),
        ("... unpacked", f"{door.max_unpacked_bytes >> 20} MiB", "413"),
        ("... lines", f"{door.max_lines:,}", "413"),
        ("... to arrive in", f"{door.body_timeout_s:g} s", "408"),
        ("bodies at once", str(door.max_requests), "503 with Retry-After"),
        ("a connection's first request, its headers", f"{HEADERS_TIMEOUT_S:g} s", "closed"),
        ("room for the cache of kernels", f"{ROOM_BYTES >> 20} MiB free", "compiled at every start"),
        ("an alert's age at a webhook", f"{EndpointSettings.max_age_s:g} s", "never sent; `max_age_s`"),
        ("candidates a day to a webhook", str(EndpointSettings.max_per_day), "dropped by the budget; `max_per_day`"),
        ("values of a metric's label", str(MAX_LABEL_VALUES), "later ones are `other`"),
    ]  # fmt: skip
    return (
        "# Limits in numbers\n\nWhere something stops, and what happens there. [Limits](../limits.md) says what to doubt.\n\n"
        + table(("of", "limit", "beyond it"), rows)
    )
