"""What a database says, in our words, whichever it is."""

from application.ports.entitlements import DoubleGrant

OUT_OF_ORDER = "The database does not do its part. Try again."
BUSY = "The database is busy. Nothing was changed; try again."

VIOLATIONS: dict[str, type[Exception]] = {
    "uq_entitlements_living_grant": DoubleGrant,
    # SQLite names the column, not the index.
    "entitlements.payment_id": DoubleGrant,
}
"""Which broken constraint means what. Whatever is not in here is a mistake of ours and stays what it is."""


def violation(constraint: str, original: Exception) -> Exception | None:
    """What to raise instead, or None to let it pass."""
    error = VIOLATIONS.get(constraint)
    return error(str(original)) if error else None
