"""Platforms as small fixed numbers, so that no order of arrival decides them."""

from __future__ import annotations

from typing import Final

PLATFORMS: Final = (
    "x",
    "telegram",
    "discord",
    "reddit",
    "tiktok",
    "xiaohongshu",
    "bluesky",
    "other",
)
N_PLATFORMS: Final = len(PLATFORMS)
_SAME_AS: Final = {
    "twitter": "x",
    "douyin": "tiktok",
    "rednote": "xiaohongshu",
    "xhs": "xiaohongshu",
}
NUMBERS: Final = {name: i for i, name in enumerate(PLATFORMS)} | {
    other: PLATFORMS.index(name) for other, name in _SAME_AS.items()
}
"""Number of each known name, other names of a platform included."""


def platform_number(name: str) -> int:
    """Number of a platform; every unknown one is ``other``.

    >>> platform_number("X"), platform_number("rednote"), platform_number("usenet")
    (0, 5, 7)
    """
    return NUMBERS.get(name.strip().lower(), N_PLATFORMS - 1)
