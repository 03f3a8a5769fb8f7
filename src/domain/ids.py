"""Names for the ids that pass through the rules, so that none is taken for another."""

from typing import NewType

UserId = NewType("UserId", int)
"""A Telegram user id: 1 to 2^52 - 1 (https://core.telegram.org/bots/api#user, "at most 52 significant bits")."""

BotName = NewType("BotName", str)
"""Our short name for one Telegram bot: `[a-z0-9_]{1,32}`."""

PlanCode = NewType("PlanCode", str)
"""`[a-z0-9_]{1,40}`."""

InvoiceId = NewType("InvoiceId", str)
"""`inv_` and 32 hexadecimal digits: 128 bits, so that it fits the signed payload."""

ChargeId = NewType("ChargeId", str)
"""The provider's own id for money that moved; unique within one provider."""

PaymentId = NewType("PaymentId", str)
EntitlementId = NewType("EntitlementId", str)
PassportId = NewType("PassportId", str)

MAX_USER_ID = 2**52 - 1
