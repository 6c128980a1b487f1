"""Keeps webhooks out of private networks, whatever a name resolves to.

A check of the URL alone is not enough: a public name may resolve to a private address, and to
another one a moment later (DNS rebinding). So the address is checked where the socket is made, of
the very connection that is opened; literal addresses pass there too.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from aiohttp import AddrInfoType

from schemas.errors import ConfigError

PORTS: Final = (443, 8443)
_DENIED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "64:ff9b::/96",  # NAT64: leads to any IPv4 address, private ones included
        "64:ff9b:1::/48",  # NAT64, local use
        "2002::/16",  # 6to4: as NAT64
        "2001::/32",  # Teredo: as NAT64
        "::/96",  # IPv4-compatible, deprecated
        "192.88.99.0/24",  # 6to4 relays
        "192.0.0.0/24",  # IETF protocol assignments
        "fec0::/10",  # site-local, deprecated
    )
)


class RefusedAddressError(OSError):
    """The address is not public; its errno is EPERM, by which it is known where it was wrapped."""

    def __init__(self, address: str) -> None:
        super().__init__(errno.EPERM, f"refused: {address} is not a public address")


def is_public(address: str) -> bool:
    """Whether an IP address may be reached by a webhook.

    >>> [is_public(a) for a in ("1.1.1.1", "10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False]
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        return False
    return not any(ip in network for network in _DENIED if network.version == ip.version)


def guarded_socket(info: AddrInfoType) -> socket.socket:
    """Make the socket of one connection, or raise RefusedAddressError: aiohttp's socket factory."""
    family, kind, proto, _, address = info
    if family not in (socket.AF_INET, socket.AF_INET6) or not is_public(str(address[0])):
        raise RefusedAddressError(str(address[0]))
    made = socket.socket(family, kind, proto)
    made.setblocking(False)
    return made


def check_url(url: str, *, allow_private: bool, at: str = "") -> None:
    """Raise ConfigError for a URL no webhook is sent to. ``at`` begins the message.

    >>> check_url("https://example.com/hook", allow_private=False)
    >>> check_url("http://example.com/hook", allow_private=False)
    Traceback (most recent call last):
    schemas.errors.ConfigError: the URL is not https; use https, or set allow_private = true ...
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"{at}the URL cannot be read", "write https://host/path") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{at}the URL holds credentials", "the signature proves the sender")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"{at}the URL is no web address", "write https://host/path")
    if parts.fragment:
        raise ConfigError(f"{at}the URL has a fragment", "leave out what follows #")
    if any(ord(char) <= 32 for char in url):
        raise ConfigError(f"{at}the URL holds white space", "encode it as %20")
    if allow_private:
        return
    remedy = "or set allow_private = true for development"
    if parts.scheme != "https":
        raise ConfigError(f"{at}the URL is not https", f"use https, {remedy}")
    if (port or 443) not in PORTS:
        raise ConfigError(f"{at}port {port} is not allowed", f"use 443 or 8443, {remedy}")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return
    if not is_public(str(literal)):
        raise ConfigError(f"{at}the URL's address is private", f"use a public one, {remedy}")
