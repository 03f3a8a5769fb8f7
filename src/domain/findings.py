"""What a comparison of a provider's ledger with our books has shown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a comparison showed. `repaired` went into the inbox; `unexplained` needs a person; `drift` is what the
    balance has less than the ledger says, where both were read whole."""

    ledger: str
    whole: bool
    entries: int = 0
    missing_payments: int = 0
    missing_refunds: int = 0
    other_facts: int = 0
    foreign: int = 0
    held: int = 0
    released: int = 0
    unknown_to_provider: int = 0
    drift: int = 0

    @property
    def repaired(self) -> int:
        return self.missing_payments + self.missing_refunds

    @property
    def unexplained(self) -> int:
        return self.other_facts + self.unknown_to_provider + (1 if self.drift else 0)
