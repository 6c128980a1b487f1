"""Endpoint settings, the guard's list and the budget's rule."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigError
from streams.sinks.webhook.budget import DAY_MS, bar
from streams.sinks.webhook.guard import is_public
from streams.sinks.webhook.settings import EndpointSettings

GOOD = {
    "name": "desk",
    "url": "https://hooks.example/golden",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "My Desk"}, "use 1 to 32 of a-z"),
        ({"name": None}, "has no name"),
        ({"url": "hooks.example"}, "write https://host/path"),
        ({"url": "http://hooks.example/"}, "use https"),
        ({"url": "https://hooks.example:8080/"}, "port 8080 is not allowed"),
        ({"url": "https://user:pw@hooks.example/"}, "holds credentials"),
        ({"url": "https://hooks.example/#x"}, "fragment"),
        ({"url": "https://hooks.example/a b"}, "white space"),
        ({"url": "https://[::1"}, "cannot be read"),
        ({"url": "https://10.0.0.1/"}, "address is private"),
        ({"url": "https://[fd00::1]/"}, "address is private"),
        ({"url": "ftp://hooks.example/"}, "no web address"),
        ({"secret": "hunter2"}, "does not begin with whsec_"),
        ({"secret": "whsec_c2hvcnQ="}, "has 5 bytes"),
        ({"secret": "whsec_***"}, "is not base64"),
        ({"secret": 7}, "not a text"),
        ({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "secrets": 5}, "not a text"),
        ({"max_per_day": 0}, "write 1 or more"),
        ({"max_per_day": "ten"}, "write a value of type int"),
        ({"max_per_day": True}, "write a value of type int"),
        ({"max_age_s": 0}, "write seconds above 0"),
        ({"max_age_s": float("nan")}, "write seconds above 0"),
        ({"max_age_s": float("inf")}, "write seconds above 0"),
        ({"min_probability": 1}, "from 0 to below 1"),
        ({"timeout_s": 61}, "from 1 to 60"),
        ({"kinds": ["candidate", "sell"]}, "choose among candidate"),
        ({"kinds": ["fading"]}, "candidate included"),
        ({"kinds": [["candidate"]]}, "choose among candidate"),
        ({"max_age": 5}, "unknown setting max_age"),
    ],
)
def test_a_wrong_setting_says_what_to_write(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as error:
        EndpointSettings.of(GOOD | change)
    assert says in str(error.value)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


def test_no_secret_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="no secret"):
        EndpointSettings.of({"name": "desk", "url": "https://hooks.example/"})


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2001:0:1::1",
        "2002:7f00:1::",
        "fc00::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "not an address",
    ],
)
def test_no_road_leads_inside(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "192.0.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_reached(address: str) -> None:
    assert is_public(address)


@given(
    st.floats(0, 0.99),
    st.integers(1, 100),
    st.integers(0, 120),
    st.integers(0, DAY_MS - 2),
)
def test_the_bar_rises_with_what_is_spent_and_falls_with_the_day(
    least: float, most: int, spent: int, at_ms: int
) -> None:
    now = bar(least, most, spent, at_ms)
    assert now >= least
    assert bar(least, most, spent + 1, at_ms) >= now >= bar(least, most, spent, at_ms + 1)
    assert (now == float("inf")) == (spent >= most)
