"""A shop with some weeks behind it: sales, refunds and odd payments, at their own times, written by the stories."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import text

from adapters.sql.engine import open_engine
from adapters.sql.work import SqlUnitOfWork
from domain.catalog import Method
from domain.ids import ChargeId, PlanCode, UserId
from domain.invoice import Invoice
from domain.money import Money
from domain.payment import Charge, Provider
from tests.builders import ALL_TILLS, CATALOG, GOLD, MAIN, SILVER, Service, charge, query, refund, shop
from tests.memory import FixedClock

FIRST_USER = 420_001


@dataclass
class ShopHistory:
    """Writes into a migrated database; nobody else may write at the same time. `charges` are those that were made."""

    database_url: str
    now: datetime
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    charges: list[Charge] = field(default_factory=list)
    sold: int = 0

    def write(self, *, days: int, sales: int) -> None:
        """So many sales over the last days, denser towards now; then a payment that is one Star short, at last."""
        engine = open_engine(self.database_url)
        clock = FixedClock()
        core = Service(work=SqlUnitOfWork(engine), clock=clock, shop=shop(catalog=CATALOG, tills=ALL_TILLS))  # type: ignore[arg-type]
        begins = self.now - timedelta(days=days)
        places = sorted(self.chance.random() ** 0.7 for _ in range(sales))
        for place in places:
            clock.time = begins + place * (self.now - begins) - timedelta(minutes=2)
            self._sell(core)
        clock.time = self.now - timedelta(minutes=20)
        self._sell(core, short=1)
        with engine.begin() as connection:
            # Nobody waits for letters from those days, and the providers' ledgers have the payments.
            connection.execute(text("UPDATE outbox SET sent_at = created_at WHERE sent_at IS NULL"))
            connection.execute(text("UPDATE payments SET confirmed_at = received_at"))
        engine.dispose()

    def _sell(self, core: Service, *, short: int = 0) -> None:
        self.sold += 1
        user = UserId(FIRST_USER + self.sold)
        plan = GOLD if self.chance.random() < 0.6 else SILVER
        by = Method.STRIPE if plan is GOLD and self.chance.random() < 0.4 and not short else Method.STARS
        issued = self._issue(core, user, plan.code, by)
        if self.chance.random() < 0.2 and not short:
            return
        if by is not Method.STRIPE:
            core.judge(query(issued))
        price = issued.offer.price
        paid = charge(
            issued,
            provider=Provider.STRIPE if by is Method.STRIPE else Provider.TELEGRAM,
            charge_id=ChargeId(f"ch_{self.chance.getrandbits(96):024x}"),
            paid=Money(amount=price.amount - short, currency=price.currency),
            charged_at=core.clock.now(),
        )
        core.settle(paid)
        self.charges.append(paid)
        if self.chance.random() < 0.05 and not short:
            core.refund(refund(paid, refunded_at=core.clock.now()))

    def _issue(self, core: Service, user: UserId, plan_code: PlanCode, by: Method) -> Invoice:
        with core.work.begin() as tx:
            return core.shop.issue(
                tx,
                user_id=user,
                bot=MAIN,
                plan_code=plan_code,
                method=by,
                language="en",
                now=core.clock.now(),
            )
