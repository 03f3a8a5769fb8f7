"""The `Stripe-Signature` header.

Source: https://docs.stripe.com/webhooks#verify-manually
"""

import hashlib
import hmac
from collections.abc import Sequence


def signed(body: bytes, secrets: Sequence[str], at: int, *, scheme: str = "v1") -> str:
    """One signature for each secret: several while one is rolled."""
    return ",".join([f"t={at}", *(f"{scheme}={_signature(body, secret, at)}" for secret in secrets)])


def _signature(body: bytes, secret: str, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
