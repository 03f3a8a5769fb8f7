"""What the pages of users and payments are read from, and what can be decided there."""

from collections.abc import Mapping
from dataclasses import dataclass

from application.books import People, Person, Register
from application.grants import GrantByHand, RevokeByHand
from application.histories import ShowPaymentHistory, ShowUser
from application.payments import FindPayments
from application.quarantine import GrantQuarantined
from application.refund_requests import AnswerRefundRequest, RequestRefund
from application.search import Search
from application.shop import Shop
from domain.ids import PlanCode
from domain.payment import Payment
from entrypoints.console.visitors import Visitor
from entrypoints.console_users import ConsoleUser, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    users: Mapping[str, ConsoleUser]
    shop: Shop
    register: Register
    people: People
    search: Search
    show_user: ShowUser
    show_payment: ShowPaymentHistory
    find_payments: FindPayments
    request_refund: RequestRefund
    answer_refund: AnswerRefundRequest
    grant_quarantined: GrantQuarantined
    grant: GrantByHand
    revoke: RevokeByHand

    def second(self, visitor: Visitor) -> bool:
        """Whether another operator than this one could agree to what they want."""
        return any(user.role is Role.OPERATOR and name != visitor.name for name, user in self.users.items())

    def waits_for_second(self, payment: Payment, visitor: Visitor) -> bool:
        return self.second(visitor) and self.request_refund.is_large(payment)

    @property
    def plans(self) -> list[tuple[PlanCode, str]]:
        """Each plan that is on sale, with its title."""
        return [(code, plan.title) for code, plan in self.shop.catalog.plans.items()]

    @property
    def currencies(self) -> list[str]:
        """Each in which anything is on sale."""
        return sorted({currency for plan in self.shop.catalog.plans.values() for currency in plan.prices})

    def title(self, code: str | None) -> str:
        plan = self.shop.catalog.plans.get(PlanCode(code)) if code else None
        return plan.title if plan else code or ""

    def names(self, payments: list[Payment]) -> Mapping[int, Person]:
        return {int(user): person for user, person in self.people.of([p.charge.payer for p in payments]).items()}
