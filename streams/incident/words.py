"""An incident file in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from streams.incident.files import Incident
from streams.run.report import utc

_BEGINS: Final = {
    "checkpoint": "with the workers' checkpoints from before it",
    "log": "with the first record of the topics: no checkpoint from before it was left",
    "warmup": "as long before it as baselines reach, to fill the baselines: no checkpoint from before it was left, so that "
    "episodes which were open then, and older facts of tokens, are not known",
}
_MIB: Final = 1 << 20


def in_words(incident: Incident, file: Path) -> str:
    """A few lines for a person; all is in the JSON."""
    until = "the end of the topics" if incident.to_ms is None else utc(incident.to_ms)
    versions = incident.versions
    records = ", ".join(f"{n:,} of {topic}" for topic, n in incident.records.items())
    code = f"code {incident.fingerprint_parts['code']}"
    system = f"Python {versions['python']}, {versions['system']}"
    lines = [
        f"{file}: {file.stat().st_size / _MIB:,.1f} MiB, captured {utc(incident.captured_ms)}",
        f"bars that end after {utc(incident.from_ms)}, up to {until}: {incident.alerts} alerts",
        f"begins {_BEGINS[incident.begins]}",
        f"log from {utc(incident.log_from_ms)} through {utc(incident.log_through_ms)}: {records}",
        f"fingerprint {incident.fingerprint}, goldendog {versions['goldendog']}, {code}, {system}",
    ]
    if bad := sum(incident.undecodable.values()):
        lines.append(f"{bad:,} records do not decode")
    lines += [
        f"partition {stand.partition}: checkpoint {stand.checkpoint}, bars closed up to "
        f"{utc(stand.closed_ms)}"
        for stand in incident.stands
    ]
    lines += [
        f"{step['setting']} = {step['value']} from {utc(step['from_ms'])} (control record {step['record']})"
        for step in incident.changes
    ]
    if incident.behind is not None:
        worst = max(incident.behind["inputs"], key=lambda each: each["seconds"])
        lines.append(
            f"then: group {incident.behind['group']} {incident.behind['state'].lower()}, "
            f"{len(incident.behind['members'])} workers, at most {worst['seconds']:,.1f} s behind "
            f"({worst['topic']}/{worst['partition']})"
        )
    return "\n".join(lines)


def differing(parts: Mapping[str, tuple[str, str]]) -> list[str]:
    """What is not as it was, a line each.

    >>> differing({"code": ("aa", "bb")})
    ['note: code was aa and is bb here: alerts may differ']
    """
    return [
        f"note: {name} was {then} and is {now or 'unknown'} here: alerts may differ"
        for name, (then, now) in parts.items()
    ]
