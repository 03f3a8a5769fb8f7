"""The provider asks whether a payment may be made: the only moment at which a "no" costs nobody anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from application.ports.surroundings import Clock, Journal
from application.ports.trail import TrailEntry
from application.ports.work import UnitOfWork
from application.shop import Shop
from domain.entitlement import holdings
from domain.events import PreCheckoutJudged
from domain.invoice import Objection, PreCheckout, judge
from domain.settlement import signed_terms


@dataclass(frozen=True, slots=True)
class JudgePreCheckouts:
    """Say yes or no to each query, and have every yes on record before it is said.

    A query that is asked again is judged again; nothing that was settled moves back.
    """

    work: UnitOfWork
    clock: Clock
    shop: Shop
    journal: Journal
    enabled: bool

    def __call__(self, queries: Sequence[PreCheckout]) -> Mapping[str, Objection | None]:
        """By query id: the reason for a no, or None for a yes."""
        terms = [signed_terms(self.shop.signer, query.payload, query.bot) for query in queries]
        with self.work.begin() as tx:
            now = self.clock.now()  # not before what others are just writing can be seen
            invoices = tx.invoices.of([signed.invoice_id for signed in terms if signed])
            held = tx.entitlements.held_by([query.payer for query in queries], now)
            judged = []
            for query, signed in zip(queries, terms, strict=True):
                invoice = invoices.get(signed.invoice_id) if signed else None
                objection = judge(
                    query,
                    terms=signed,
                    invoice=invoice,
                    catalog=self.shop.catalog,
                    held=holdings(held.get(query.payer, ()), now),
                    enabled=self.enabled,
                    now=now,
                )
                unmet = None if invoice else signed
                judged.append(PreCheckoutJudged(query=query, invoice=invoice, objection=objection, terms=unmet))
            tx.invoices.approve([j.invoice.id for j in judged if j.invoice and j.objection is None], now)
            tx.trail.add([_entry(judgement, now) for judgement in judged])
        self.journal.record(*judged)
        return {judgement.query.query_id: judgement.objection for judgement in judged}

    def undecided(self, query: PreCheckout) -> Objection:
        """The answer when we could not decide in time; the buyer loses nothing and can try again."""
        terms = signed_terms(self.shop.signer, query.payload, query.bot)
        self.journal.record(PreCheckoutJudged(query=query, invoice=None, objection=Objection.UNAVAILABLE, terms=terms))
        return Objection.UNAVAILABLE


def _entry(judged: PreCheckoutJudged, now: datetime) -> TrailEntry:
    return TrailEntry(
        kind="pre_checkout",
        bot=judged.query.bot,
        at=now,
        user_id=judged.query.payer,
        invoice_id=judged.invoice.id if judged.invoice else None,
        decision="rejected" if judged.objection else "ok",
        reason=judged.objection,
    )
