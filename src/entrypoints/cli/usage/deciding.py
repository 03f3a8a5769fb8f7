"""Deciding: `quarantine`, `grant`, `revoke`, `refund`."""

from entrypoints.cli.typed import click
from entrypoints.cli.usage.options import (
    EXIT_CODES,
    REASON,
    USER_ID,
    alone,
    by,
    decision,
    for_programs,
    plainly,
    plan_codes,
)

PAYMENT = "For programs: the payment as the API has it, as it stands then."
ENTITLEMENT = "For programs: the entitlement as the API has it, as it stands then."
RETURNED = (
    "Exit codes: 0 given back, or ordered and not confirmed yet: --json has refunded or refund_pending as the status; "
    "1 it did not work, or the provider refused; 2 wrong usage or wrong settings."
)


@click.group(invoke_without_command=True, epilog=EXIT_CODES)
@for_programs("For programs: what waits.")
@click.pass_context
def quarantine(context: click.Context, as_json: bool) -> None:
    """Payments that moved and that no rule lets us grant: each waits for a person. Alone, it lists them."""
    alone(context, list_quarantine, as_json=as_json)


@quarantine.command("list", epilog=EXIT_CODES)
@for_programs()
@plainly
def list_quarantine(as_json: bool) -> int:
    """Show what waits, the newest first."""
    from entrypoints.cli.quarantine import list_quarantine

    return list_quarantine(as_json=as_json)


@quarantine.command("grant", epilog=EXIT_CODES)
@click.argument("payment_id", metavar="PAYMENT")
@decision
@click.option(
    "--plan",
    "plan_code",
    metavar="PLAN",
    shell_complete=plan_codes,
    default=None,
    help="The plan; else the invoice's.",
)
@click.option("--user", "user_id", metavar="USER", type=USER_ID, default=None, help="For whom; else who paid.")
@for_programs(PAYMENT)
@plainly
def grant_quarantined(
    *, payment_id: str, reason: str, actor: str | None, plan_code: str | None, user_id: int | None, as_json: bool
) -> int:
    """Open the door for this payment, by its pay_… or the id of its charge."""
    from entrypoints.cli.quarantine import grant

    return grant(payment_id, reason=reason, actor=actor, plan_code=plan_code, user_id=user_id, as_json=as_json)


@quarantine.command("refund", epilog=RETURNED)
@click.argument("payment_id", metavar="PAYMENT")
@decision
@for_programs(PAYMENT)
@plainly
def refund_quarantined(payment_id: str, reason: str, actor: str | None, as_json: bool) -> int:
    """Give this payment back, by its pay_… or the id of its charge."""
    from entrypoints.cli.quarantine import refund

    return refund(payment_id, reason=reason, actor=actor, as_json=as_json)


@click.command(epilog=EXIT_CODES)
@click.argument("user_id", metavar="USER", type=USER_ID)
@click.argument("plan_code", metavar="PLAN", shell_complete=plan_codes)
@decision
@click.option("--duration", default=None, help='As "2 weeks" or "lifetime"; otherwise as long as the plan lasts.')
@for_programs(ENTITLEMENT)
@plainly
def grant(*, user_id: int, plan_code: str, reason: str, actor: str | None, duration: str | None, as_json: bool) -> int:
    """Give a plan to a user, from now or from the end of what they hold of it."""
    from entrypoints.cli.grants import grant

    return grant(user_id, plan_code, reason=reason, actor=actor, duration=duration, as_json=as_json)


@click.command(epilog=EXIT_CODES)
@click.argument("entitlement_id", metavar="ENTITLEMENT")
@decision
@for_programs(ENTITLEMENT)
@plainly
def revoke(entitlement_id: str, reason: str, actor: str | None, as_json: bool) -> int:
    """End a grant at once, without giving money back.

    Later time of the plan moves up; the payment that paid for it stays as it is, unlike with a refund.
    """
    from entrypoints.cli.grants import revoke

    return revoke(entitlement_id, reason=reason, actor=actor, as_json=as_json)


@click.command(epilog=RETURNED)
@click.argument("charge_id", metavar="CHARGE")
@click.option(
    "--reason",
    metavar="TEXT",
    type=REASON,
    default="asked for at the terminal",
    show_default=True,
    help="Kept on the audit trail.",
)
@by
@click.option("--outside", is_flag=True, help="It was given back already, at the payment provider; record that.")
@for_programs(PAYMENT)
@plainly
def refund(charge_id: str, reason: str, actor: str | None, outside: bool, as_json: bool) -> int:
    """Give the charge with this id back. Access ends when the provider has confirmed.

    The id is Telegram's telegram_payment_charge_id, Stripe's pi_… or ch_…, or the payment's own pay_….
    """
    from entrypoints.cli.refund import refund

    return refund(charge_id, reason=reason, actor=actor, outside=outside, as_json=as_json)


COMMANDS = (quarantine, grant, revoke, refund)
