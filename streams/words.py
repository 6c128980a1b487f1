"""An alert in words, for whoever reads it: the demo, a webhook's receiver."""

from __future__ import annotations

from typing import Final

from schemas.records import Alert, Reason
from streams.features import dollars, phrase
from streams.safe_text import shown

LEADING: Final = {"surge": 2, "attention": 1}
"""How many reasons are what the rule looked at that opened the episode."""


def reason(why: Reason) -> str:
    """One reason: what the feature says.

    >>> reason(Reason("z_authors", 14.23, 0.4, 1.1, 60, 1.8))
    'authors z 14.2'
    >>> reason(Reason("return_1h", 1.0, None, None, None, 0.4))
    'price 2.00x in 1 h'
    >>> reason(Reason("copy_share", 0.25, None, None, None, -0.4))
    '25% copies'
    >>> reason(Reason("age_min", 59.0, None, None, None, 0.2))
    '59 min old'
    """
    return phrase(why.feature, why.value)


def reasons(alert: Alert, most: int = 3) -> str:
    """The reasons that spoke for the alert, strongest first; what is unknown is none to a reader.

    What a rule of its own looked at comes first, whatever the classifier made of it.
    """
    led = alert.reasons[: LEADING.get(alert.trigger or "", 0)]
    pro = [r for r in alert.reasons[len(led) :] if r.contribution_logit > 0 and r.value is not None]
    told = [*led, *sorted(pro, key=lambda r: -r.contribution_logit)]
    return (f"{alert.trigger}: " if led else "") + ", ".join(reason(r) for r in told[:most])


def name_of(alert: Alert) -> str:
    """The symbol, or the beginning of the address where it is not known."""
    return shown(alert.symbol or alert.token.rpartition(":")[2][:8])


def facts(alert: Alert) -> str:
    """How sure it is, and where the price and the attention stand."""
    rises = alert.kind in ("candidate", "update")
    parts = []
    if rises and alert.probability is not None:
        parts.append(f"P {alert.probability:.0%}")
    if alert.price_usd is not None:
        parts.append(dollars(float(alert.price_usd)))
    if alert.market_cap_usd is not None:
        parts.append(f"cap {dollars(alert.market_cap_usd)}")
    if alert.kind in ("fading", "closed") and alert.attention_share_of_peak is not None:
        parts.append(f"attention at {alert.attention_share_of_peak:.0%} of its peak")
    if alert.kind in ("fading", "closed") and alert.price_share_of_peak is not None:
        parts.append(f"price at {alert.price_share_of_peak:.0%}")
    if alert.kind == "candidate" and alert.moved_x_since_onset is not None:
        parts.append(f"moved {alert.moved_x_since_onset:.2g}x so far")
    return ", ".join(parts)


def sentence(alert: Alert) -> str:
    """All of it in one line: which coin, what, the facts, and for a rise the reasons."""
    why = reasons(alert) if alert.kind in ("candidate", "update") else ""
    parts = [facts(alert), why]
    return f"{name_of(alert)} {alert.kind}: {'; '.join(part for part in parts if part)}"
