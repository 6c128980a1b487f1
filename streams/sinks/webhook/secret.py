"""A secret that shows itself to nobody by accident."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Final

from schemas.errors import ConfigError

PREFIX: Final = "whsec_"
MIN_BYTES: Final = 24
MAX_BYTES: Final = 64
_REMEDY: Final = (
    f"write {PREFIX} and base64 of {MIN_BYTES} to {MAX_BYTES} random bytes: "
    f'`echo "{PREFIX}$(openssl rand -base64 32)"` makes one'
)


class WebhookSecret:
    """A symmetric secret of Standard Webhooks: ``whsec_`` and base64 of 24 to 64 bytes.

    Parameters
    ----------
    text : the secret as it is written in settings; ConfigError where it is none.

    Examples
    --------
    >>> WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    WebhookSecret('whsec_***')
    >>> WebhookSecret("hunter2")
    Traceback (most recent call last):
    schemas.errors.ConfigError: a webhook secret does not begin with whsec_; write whsec_ and ...
    """

    __slots__ = ("_key",)

    def __init__(self, text: str) -> None:
        text = text.strip()
        if not text.startswith(PREFIX):
            raise ConfigError(f"a webhook secret does not begin with {PREFIX}", _REMEDY)
        try:
            key = base64.b64decode(text[len(PREFIX) :], validate=True)
        except (binascii.Error, ValueError):
            raise ConfigError("a webhook secret is not base64", _REMEDY) from None
        if not MIN_BYTES <= len(key) <= MAX_BYTES:
            raise ConfigError(f"a webhook secret has {len(key)} bytes", _REMEDY)
        self._key = key

    @property
    def key(self) -> bytes:
        """The bytes to sign with."""
        return self._key

    def __repr__(self) -> str:
        return f"WebhookSecret('{PREFIX}***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WebhookSecret) and secrets.compare_digest(self._key, other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def new_secret() -> str:
    """A fresh secret of 32 bytes from the operating system.

    >>> WebhookSecret(new_secret()) == WebhookSecret(new_secret())
    False
    """
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
