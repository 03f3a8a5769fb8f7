"""Looking: `user`, `payments`, `events`."""

from entrypoints.cli.typed import click
from entrypoints.cli.usage.options import EXIT_CODES, USER_ID, for_programs, plainly, plan_codes

STATUSES = ("granted", "quarantined", "refund_pending", "refunded")
METHODS = ("stars", "telegram", "stripe")
SEQUENCE = click.IntRange(0, 2**53 - 1)
PAGE = click.IntRange(1, 200)
MOST = click.IntRange(1, 100_000)
NOBODY = "Exit codes: 0 done, 1 nobody or more than one is found, or it did not work, 2 wrong usage or wrong settings."
NONE_KNOWN = (
    "Exit codes: 0 done, 1 nobody told us of such a charge or it did not work, 2 wrong usage or wrong settings."
)


@click.command(epilog=NOBODY)
@click.argument("who", metavar="USER")
@click.option(
    "--limit",
    metavar="NUMBER",
    type=click.IntRange(1, 200),
    default=10,
    show_default=True,
    help="How many payments and news.",
)
@for_programs(
    "For programs: entitlements, payments, quarantine and events, each as the API has it, person and messages; "
    "found where it is not one user."
)
@plainly
def user(who: str, limit: int, as_json: bool) -> int:
    """Tell the whole story of USER: access, payments, what is in quarantine, what happened last and what was written.

    USER is an id, a name or the beginning of one, a @username, or the id of a payment, a charge, an invoice or an
    entitlement of theirs.
    """
    from entrypoints.cli.user import tell_user

    user_id = USER_ID(who, None, click.get_current_context()) if who.isdecimal() else None
    return tell_user(who, user_id, limit=limit, as_json=as_json)


@click.command(epilog=NONE_KNOWN)
@click.option("--charge", metavar="ID", help="What happened to this charge, or to this payment or invoice.")
@click.option("--user", "user_id", metavar="USER", type=USER_ID, help="Only who paid.")
@click.option("--status", type=click.Choice(STATUSES), help="Only with this end.")
@click.option("--method", type=click.Choice(METHODS), help="Only paid this way.")
@click.option("--plan", "plan_code", metavar="PLAN", shell_complete=plan_codes, help="Only for this plan.")
@click.option("--since", metavar="TIME", help="Received on this day or at this RFC 3339 time, or later.")
@click.option("--until", metavar="TIME", help="Received before it.")
@click.option(
    "--limit",
    metavar="NUMBER",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="How many at most.",
)
@for_programs("For programs: payments as the API has them; with --charge what happened, and its payment.")
@plainly
def payments(
    *,
    charge: str | None,
    user_id: int | None,
    status: str | None,
    method: str | None,
    plan_code: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """Show payments, the newest first; with --charge, why somebody who has paid has access or has not."""
    from entrypoints.cli.payments import explain_charge, list_payments, wanted

    if charge is not None:
        others = {"--user": user_id, "--status": status, "--method": method, "--plan": plan_code}
        others |= {"--since": since, "--until": until}
        if beside := [name for name, value in others.items() if value is not None]:
            raise click.UsageError(f"--charge names one charge: leave out {', '.join(beside)}.")
        return explain_charge(charge, as_json=as_json)
    which = wanted(user_id=user_id, status=status, method=method, plan_code=plan_code, since=since, until=until)
    return list_payments(which, limit=limit, as_json=as_json)


@click.group(epilog=EXIT_CODES)
def events() -> None:
    """What other services are told of, and the endpoints that it is pushed to."""


@events.command("list", epilog=EXIT_CODES)
@click.option("--after", metavar="NUMBER", type=SEQUENCE, help="The first with higher numbers; 0 for the oldest.")
@click.option("--before", metavar="NUMBER", type=SEQUENCE, help="The last with lower numbers.")
@click.option(
    "--limit",
    metavar="NUMBER",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="How many at most.",
)
@click.option("--user", "user_id", metavar="USER", type=USER_ID, help="Only this user's, among the next 100 000.")
@for_programs("For programs; on standard error, whether there are more.")
@plainly
def list_events(after: int | None, before: int | None, limit: int, user_id: int | None, as_json: bool) -> int:
    """Show the newest events, the last one below."""
    from entrypoints.cli.events import list_events

    if after is not None and before is not None:
        raise click.UsageError("--after and --before lead different ways: leave out one of them.")
    return list_events(after=after, before=before, limit=limit, user_id=user_id, as_json=as_json)


@events.command("endpoints", epilog="Exit codes: 0 all are pushed to, 1 one is disabled, 2 wrong settings.")
@for_programs()
@plainly
def list_endpoints(as_json: bool) -> int:
    """Show how pushing to each endpoint goes."""
    from entrypoints.cli.events import list_endpoints

    return list_endpoints(as_json=as_json)


@events.command("replay", epilog=EXIT_CODES)
@click.argument("endpoint")
@click.option("--after", metavar="NUMBER", type=SEQUENCE, required=True, help="Begin behind this number.")
@click.option(
    "--until",
    metavar="NUMBER",
    type=SEQUENCE,
    default=2**53 - 1,
    help="End with this number; otherwise with the newest.",
)
@for_programs("For programs: endpoint, address, and events, how many will be pushed again.")
@plainly
def replay_events(endpoint: str, after: int, until: int, as_json: bool) -> int:
    """Push events to ENDPOINT once more: what it had, and what was given up."""
    from entrypoints.cli.events import replay

    return replay(endpoint, after=after, until=until, as_json=as_json)


@events.command("enable", epilog=EXIT_CODES)
@click.argument("endpoint")
@click.option("--skip", is_flag=True, help="Let go of all that waits for it, and begin with what happens from now on.")
@for_programs("For programs: endpoint, address, and waiting, how many events wait for it.")
@plainly
def enable_endpoint(endpoint: str, skip: bool, as_json: bool) -> int:
    """Push to ENDPOINT again, which was disabled after three days of failures or by its own answer 410."""
    from entrypoints.cli.events import enable

    return enable(endpoint, skip=skip, as_json=as_json)


COMMANDS = (user, payments, events)
