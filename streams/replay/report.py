"""A replay's summary in words."""

from __future__ import annotations

from typing import Any

from streams.replay.bar import utc

_MIB = 1 << 20


def in_words(summary: dict[str, Any], out: str) -> str:
    """A few lines for a person; all numbers are in ``summary.json``."""
    records, alerts, tokens = summary["records"], summary["alerts"], summary["tokens"]["distinct"]
    mentions = (
        f"{records['mentions']:,} mentions of a token ({records['mentions_unresolved']:,} of none)"
    )
    kinds = ", ".join(f"{n} {kind}" for kind, n in alerts.items() if kind != "total" and n)
    speed = f"{summary['seconds']:.1f} s, {summary['records_per_s']:,} records/s"
    memory = f"{summary['peak_memory_bytes'] / _MIB:,.0f} MiB at most"
    lines = [
        f"{records['read']:,} records, {_span(summary)}",
        f"{mentions}, {records['ticks']:,} ticks, {records['token_infos']:,} token infos",
        f"{alerts['total']} alerts{f' ({kinds})' if kinds else ''}; {tokens:,} tokens",
        f"{speed}, {memory}, fingerprint {summary['fingerprint']}",
    ]
    if records["rejected"]:
        codes = ", ".join(f"{n} {code}" for code, n in records["rejected_by_code"].items())
        lines.append(
            f"{records['rejected']:,} bad records ({codes}): see {out}/dead_letters.ndjson"
        )
    if records["late"]:
        lines.append(f"{records['late']:,} records came too late to be used")
    if records["duplicates"]:
        lines.append(f"{records['duplicates']:,} records were there already (same id)")
    if records["out_of_order"]:
        lines.append(
            f"log time fell {records['out_of_order']:,} times: those files were sorted first"
        )
    window = summary["window"]
    if window and window["from_ms"] is not None:
        lines.append(
            f"told of from {utc(window['from_ms'])} on; {records['skipped']:,} records before the "
            f"warm-up were passed over, {window['alerts_withheld']} alerts within it withheld"
        )
        if window["warmup_missing_ms"]:
            hours = window["warmup_missing_ms"] / 3_600_000
            lines.append(f"note: the log begins {hours:.1f} h later than the warm-up asked for")
    lines += [f"note: {warning}" for warning in summary["warnings"]]
    return "\n".join([*lines, f"written to {out}"])


def _span(summary: dict[str, Any]) -> str:
    start, end = summary["log_from_ms"], summary["log_through_ms"]
    return "no log time" if not start or not end else f"{utc(start)} to {utc(end)}"
