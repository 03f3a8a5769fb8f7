"""Who gives a payment back: the provider that it was made through."""

from collections.abc import Mapping
from dataclasses import dataclass

from application.ports.outcomes import Rejected
from application.ports.refunds import Refunder, RefundOrder, ReturnOutcome
from domain.catalog import Method
from domain.errors import ProviderUnavailable
from domain.payment import Payment


@dataclass(frozen=True, slots=True)
class RefunderByMethod(Refunder):
    refunders: Mapping[Method, Refunder]

    def given_back(self, payment: Payment, order: RefundOrder) -> bool:
        refunder = self.refunders.get(payment.charge.method)
        if refunder is None:
            raise ProviderUnavailable(f"{payment.charge.method} is not set up here.")
        return refunder.given_back(payment, order)

    def give_back(self, payment: Payment, order: RefundOrder) -> ReturnOutcome:
        refunder = self.refunders.get(payment.charge.method)
        if refunder is None:
            return Rejected(problem=f"{payment.charge.method} is not set up here")
        return refunder.give_back(payment, order)
