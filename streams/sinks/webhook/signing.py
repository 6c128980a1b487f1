"""Signatures of Standard Webhooks 1.0: HMAC-SHA256 over id, time and raw body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from streams.sinks.webhook.secret import WebhookSecret


def sign(secrets: Sequence[WebhookSecret], message_id: str, timestamp_s: int, body: bytes) -> str:
    """The value of the ``webhook-signature`` header: one signature a secret, space-separated.

    Several secrets sign at once while one is rotated out: a receiver that knows either verifies.

    >>> key = WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> sign([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    if "." in message_id:  # it would make the signed text ambiguous
        raise ValueError(f"a webhook id holds no full stop, was {message_id!r}")
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(secret.key, signed, hashlib.sha256)).decode()
        for secret in secrets
    )


def headers(
    secrets: Sequence[WebhookSecret], message_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """The headers of one attempt; ``timestamp_s`` is the attempt's own time, in Unix seconds."""
    return {
        "content-type": "application/json",
        "user-agent": "goldendog-webhook/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": sign(secrets, message_id, timestamp_s, body),
    }
