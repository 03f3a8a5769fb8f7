"""Each event as one log line and its counts."""

from collections.abc import Mapping

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.telemetry.logs import request_of, together
from adapters.telemetry.metrics import Metrics
from application.ports.inbox import FoundBy
from application.ports.surroundings import Journal
from domain.catalog import Method
from domain.entitlement import Entitlement
from domain.events import (
    ChargeConflicted,
    ChargeRepeated,
    CheckoutMismatched,
    CommandAnswered,
    EndpointDisabled,
    EntitlementExpired,
    EntitlementGranted,
    EntitlementRestored,
    EntitlementRevoked,
    EntitlementSuspended,
    Event,
    InvoiceCancelled,
    InvoiceIssued,
    InvoiceNotSent,
    InvoiceSent,
    LedgerCompared,
    MessageGivenUp,
    MessageSent,
    NoticeNotPushed,
    NoticePushed,
    PaymentGranted,
    PaymentPartlyRefunded,
    PaymentQuarantined,
    PaymentRefunded,
    PaymentReleased,
    PaymentResolved,
    PreCheckoutJudged,
    PurchaseRefused,
    RefundCameFirst,
    RefundConflicted,
    RefundFailed,
    RefundOrdered,
    ReportDone,
    ReportGivenUp,
    ReportKept,
    ReportRetried,
    StripeEventKept,
)
from domain.findings import Findings
from domain.invoice import Invoice
from domain.payment import Charge, Payment, PaymentStatus

Fields = Mapping[str, object]
_LOG = structlog.get_logger("tollgram")


class LoggingJournal(Journal):
    """Logs and counts."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def record(self, *events: Event) -> None:
        with together():
            log = _LOG.bind()  # once for all of them
            for event in events:
                self._record(event, log)

    def _record(self, event: Event, log: FilteringBoundLogger) -> None:  # noqa: PLR0915 every event in one place
        metrics = self.metrics
        match event:
            case InvoiceIssued():
                log.info("invoice.issued", **_invoice(event.invoice))
            case InvoiceSent():
                log.info("invoice.sent", **_invoice(event.invoice), telegram_message_id=event.telegram_message_id)
                if event.invoice.method is Method.STRIPE:
                    metrics.checkouts.labels(event.invoice.offer.plan_code).inc()
                else:
                    metrics.payments.labels("sent", event.invoice.offer.plan_code).inc()
            case InvoiceNotSent():
                log.warning("invoice.failed", **_invoice(event.invoice), problem=event.problem)
                if event.invoice.method is Method.STRIPE:
                    metrics.billing.labels("failed").inc()
                else:
                    metrics.payments.labels("failed", event.invoice.offer.plan_code).inc()
                    metrics.errors.labels(event.invoice.bot).inc()
            case CheckoutMismatched():
                log.error(
                    "checkout.mismatched",
                    **_invoice(event.invoice),
                    asked_for=str(event.asked_for),
                    reason="Stripe's price is not the catalog's: see STRIPE_PRICE_MAP_JSON",
                )
                metrics.billing.labels("mismatched").inc()
            case InvoiceCancelled():
                log.info("invoice.cancelled", **_invoice(event.invoice))
                metrics.payments.labels("cancelled", event.invoice.offer.plan_code).inc()
            case PurchaseRefused():
                log.info(
                    "purchase.refused",
                    user_id=event.user_id,
                    plan_code=event.plan_code[:40],
                    decision="refused",
                    reason=event.code,
                )
            case PreCheckoutJudged():
                result = "rejected" if event.objection else "ok"
                log.info("pre_checkout.judged", **_query(event), decision=result, reason=event.objection)
                metrics.precheck_of(result).inc()
                if event.objection:
                    metrics.prechecks_rejected.labels(event.objection).inc()
            case PaymentGranted():
                log.info(
                    "payment.settled",
                    **_payment(event.payment),
                    entitlement_id=event.entitlement.id,
                    starts_at=event.entitlement.starts_at.isoformat(),
                    expires_at=event.entitlement.expires_at.isoformat() if event.entitlement.expires_at else None,
                )
                self._count(event.payment, "success")
            case PaymentQuarantined():
                log.warning("payment.quarantined", **_payment(event.payment))
                self._count(event.payment, "quarantined")
            case PaymentRefunded():
                log.info("payment.refunded", **_payment(event.payment))
                self._count(event.payment, "refunded")
            case RefundOrdered():
                log.info("refund.ordered", **_payment(event.payment), actor=event.asked_by, automatic=event.automatic)
            case RefundFailed():
                log.error("refund.failed", **_payment(event.payment), problem=event.problem)
                metrics.refunds_failed.labels(event.payment.charge.method).inc()
            case PaymentResolved():
                log.info(
                    "payment.resolved",
                    **_payment(event.payment),
                    entitlement_id=event.entitlement.id,
                    actor=event.actor,
                )
                self._count(event.payment, "success")
            case PaymentReleased():
                log.info("payment.released", **_payment(event.payment))
            case LedgerCompared():
                self._compared(event.findings, log, dry_run=event.dry_run)
            case PaymentPartlyRefunded():
                log.info(
                    "payment.partly_refunded",
                    **_payment(event.payment),
                    amount_refunded=event.payment.amount_refunded,
                    amount_left=event.payment.left,
                )
                metrics.billing.labels("partly_refunded").inc()
            case EntitlementSuspended():
                log.warning("entitlement.suspended", **_payment(event.payment), entitlement_id=event.entitlement.id)
                metrics.billing.labels("suspended").inc()
            case EntitlementRestored():
                log.info("entitlement.restored", **_payment(event.payment), entitlement_id=event.entitlement.id)
                metrics.billing.labels("restored").inc()
            case StripeEventKept():
                log.info("stripe_event.kept", stripe_event=event.id, type=event.type, decision=event.outcome)
                metrics.stripe_events.labels(event.outcome).inc()
            case EntitlementGranted():
                kind = "entitlement.extended" if event.extends else "entitlement.granted"
                log.info(kind, **_entitlement(event.entitlement), actor=event.actor)
            case EntitlementRevoked():
                by_hand = {"actor": event.actor} if event.actor else {}
                log.info("entitlement.revoked", **_entitlement(event.entitlement), **by_hand)
            case EntitlementExpired():
                log.info("entitlement.expired", **_entitlement(event.entitlement))
            case NoticePushed():
                log.debug("event.pushed", endpoint=event.endpoint, sequence=event.sequence, attempts=event.attempts)
                metrics.pushes.labels(event.endpoint, "taken").inc()
            case NoticeNotPushed():
                tell = log.error if event.given_up else log.warning
                tell(
                    "event.given_up" if event.given_up else "event.not_pushed",
                    endpoint=event.endpoint,
                    sequence=event.sequence,
                    attempts=event.attempts,
                    problem=event.problem,
                )
                metrics.pushes.labels(event.endpoint, "given_up" if event.given_up else "failed").inc()
            case EndpointDisabled():
                log.error("endpoint.disabled", endpoint=event.endpoint, problem=event.problem)
            case ChargeRepeated():
                log.info("payment.repeated", **_payment(event.payment))
            case ChargeConflicted():
                log.error(
                    "payment.conflicted",
                    **_charge(event.reported),
                    invoice_id=event.known.invoice_id,
                    plan_code=event.known.plan_code,
                    decision=event.known.status,
                    known_user_id=event.known.charge.payer,
                )
                metrics.conflicts.inc()
            case RefundCameFirst():
                log.warning(
                    "refund.recorded",
                    charge_id=event.refund.charge_id,
                    amount=event.refund.refunded.amount,
                    currency=event.refund.refunded.currency,
                    reason="its payment is not known yet",
                )
            case RefundConflicted():
                log.error(
                    "refund.conflicted",
                    **(_payment(event.payment) if event.payment else {"charge_id": event.refund.charge_id}),
                    reported_amount=event.refund.refunded.amount,
                    reported_currency=event.refund.refunded.currency,
                    reported_bot=event.refund.bot,
                )
                metrics.conflicts.inc()
            case CommandAnswered():
                log.info("command.answered", name=event.name, user_id=event.user_id)
                metrics.commands.labels(event.name).inc()
            case MessageSent():
                log.info("message.sent", user_id=event.chat_id, message=event.message, attempts=event.attempts)
            case MessageGivenUp():
                log.error("message.given_up", user_id=event.chat_id, message=event.message, problem=event.problem)
                metrics.errors.labels(event.bot).inc()
            case ReportKept():
                log.error("inbox.kept", **_report(event))
                if event.bot:
                    metrics.errors.labels(event.bot).inc()
            case ReportRetried():
                log.warning("inbox.retried", **_report(event), attempts=event.attempts)
            case ReportDone():
                log.info("inbox.done", source=event.source, found_by=event.found_by, decision=event.outcome)
                if event.found_by == FoundBy.RECONCILIATION:
                    metrics.repaired.labels(event.outcome).inc()
            case ReportGivenUp():
                log.error("inbox.given_up", **_report(event))
                if event.bot:
                    metrics.errors.labels(event.bot).inc()

    def _compared(self, found: Findings, log: FilteringBoundLogger, *, dry_run: bool) -> None:
        tell = log.error if found.unexplained else log.info if found.repaired or found.whole else log.debug
        tell(
            "ledger.compared",
            ledger=found.ledger,
            whole=found.whole,
            dry_run=dry_run,
            entries=found.entries,
            missing_payments=found.missing_payments,
            missing_refunds=found.missing_refunds,
            other_facts=found.other_facts,
            foreign=found.foreign,
            held=found.held,
            released=found.released,
            unknown_to_provider=found.unknown_to_provider,
            drift=found.drift,
        )
        if not dry_run:
            kinds = {"other_facts": found.other_facts, "unknown_to_provider": found.unknown_to_provider}
            for kind, number in {**kinds, "drift": found.drift}.items():
                self.metrics.unexplained.labels(found.ledger, kind).inc(1 if number else 0)

    def _count(self, payment: Payment, result: str) -> None:
        if payment.charge.method is Method.STRIPE:
            self.metrics.billing.labels(result).inc()
            return
        self.metrics.payment_of(result, _plan(payment)).inc()
        if payment.status is PaymentStatus.GRANTED:
            paid = payment.charge.paid
            self.metrics.payment_value_of(_plan(payment), paid.currency).inc(paid.amount)


def _plan(payment: Payment) -> str:
    return payment.plan_code or "unknown"


def _report(event: ReportKept | ReportRetried | ReportGivenUp) -> Fields:
    about = {"source": event.source, "bot": event.bot or None, "problem": event.problem}
    return {**about, "exc_info": event.fault} if event.fault else about


def _invoice(invoice: Invoice) -> Fields:
    return {
        "user_id": invoice.payer,
        "plan_code": invoice.offer.plan_code,
        "amount": invoice.offer.price.amount,
        "currency": invoice.offer.price.currency,
        "invoice_id": invoice.id,
        "method": invoice.method,
    }


def _query(judged: PreCheckoutJudged) -> Fields:
    terms = judged.invoice.terms if judged.invoice else judged.terms
    return {
        "user_id": judged.query.payer,
        "plan_code": terms.plan_code if terms else None,
        "amount": judged.query.paid.amount,
        "currency": judged.query.paid.currency,
        "invoice_id": terms.invoice_id if terms else None,
        **request_of(judged.query.query_id),
    }


def _charge(charge: Charge) -> Fields:
    return {
        "user_id": charge.payer,
        "amount": charge.paid.amount,
        "currency": charge.paid.currency,
        "charge_id": charge.charge_id,
        "method": charge.method,
        **request_of(charge.key),
    }


def _entitlement(entitlement: Entitlement) -> Fields:
    return {
        "user_id": entitlement.user_id,
        "plan_code": entitlement.plan_code,
        "entitlement_id": entitlement.id,
    }


def _payment(payment: Payment) -> Fields:
    return {
        **_charge(payment.charge),
        "plan_code": payment.plan_code,
        "invoice_id": payment.invoice_id,
        "decision": payment.status,
        "reason": payment.quarantine_reason,
    }
