"""Somebody writes "I paid and nothing happened": what an operator types, and reads on a terminal of 80 columns."""

import fcntl
import json
import os
import pty
import re
import struct
import termios
from typing import Any

import pytest

from tests.integration.buying import buy, invoice_for, newcomer, pay
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import Service, eventually, only
from tests.template import template

COLUMNS = 80
STYLES = re.compile(r"\x1b\[[0-9;]*m")


def asked(service: Service, *arguments: str) -> Any:
    """The answer for programs."""
    return json.loads(service.run(*arguments, "--json", check=False).stdout)


def on_terminal(service: Service, *arguments: str, columns: int = COLUMNS) -> str:
    """What a person sees, colours included."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {**service.environment, "TERM": "xterm-256color"}
    process = template().start(arguments, folder=service.folder, environment=environment, out=theirs, err=theirs)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass  # so ends a terminal that nobody writes to any more
    os.close(ours)
    process.wait(60)
    return shown.decode().replace("\r\n", "\n")


def short_by_a_star(service: Service, telegram: SandboxServer, user: int) -> str:
    """The charge that is in quarantine for it."""
    outcome = pay(telegram, user, invoice_for(service, user), amount=1249, forge_at="payment")
    assert outcome.charge_id
    return outcome.charge_id


def test_one_charge_id_is_answered_by_one_sentence_and_the_next_step(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    charge = short_by_a_star(service, telegram, ada)

    first, *rest = STYLES.sub("", service.run("payments", "--charge", charge).stdout).splitlines()

    assert first == (
        f"In quarantine: 1,249 ⭐ of user {ada} opened nothing, because it is another amount than the invoice."
    )
    assert rest[0].startswith("Decide: tollgram quarantine grant pay_")
    assert [line.partition("UTC  ")[2] for line in rest[-3:]] == [
        "invoice issued",
        "about to pay: approved",
        "paid: quarantined, because it is another amount than the invoice",
    ]


def test_what_waits_stands_under_its_headings(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    short_by_a_star(service, telegram, ada)

    heading, *rows = STYLES.sub("", service.run("quarantine").stdout).splitlines()

    columns = ["Received (UTC)", "User", "Amount", "Plan", "Because", "Refund", "Payment"]
    assert re.split(r"  +", heading.strip()) == columns
    [row] = [row for row in rows if f" {ada} " in row]
    assert row.split()[-1].startswith("pay_")


def test_what_it_advises_works_and_is_told_afterwards(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    charge = short_by_a_star(service, telegram, ada)
    advice = only(asked(service, "payments", "--charge", charge))["what_to_do"].splitlines()[0]
    command = advice.partition("tollgram ")[2].replace("WHY", "kindness").split()

    service.run(*command)

    story = only(asked(service, "payments", "--charge", charge))
    assert story["what_happened"].startswith(f"Granted: 1,249 ⭐ of user {ada} opened gold_1m, until ")
    assert story["payment"]["status"] == "granted"
    assert story["payment"]["entitlement_id"].startswith("ent_")
    assert story["events"][0]["kind"] == "payment_resolved"
    assert story["events"][0]["note"] == "kindness"


def test_a_charge_that_nobody_knows_is_1_and_sends_to_the_ledgers(service: Service) -> None:
    ran = service.run("payments", "--charge", "never-heard-of", check=False)

    assert ran.returncode == 1
    assert ran.stdout.startswith("Unknown: nobody has told us of never-heard-of.\n")
    assert "tollgram reconcile" in ran.stdout
    assert only(asked(service, "payments", "--charge", "never-heard-of"))["known"] is False


def test_payments_are_chosen_as_over_the_api(service: Service, telegram: SandboxServer) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram)
    buy(service, telegram, ada)
    buy(service, telegram, ada, "day_pass")
    buy(service, telegram, bob, "pounds_only")

    def plans(*options: str) -> list[str]:
        return [payment["plan_code"] for payment in asked(service, "payments", *options)]

    assert plans("--user", str(ada)) == ["day_pass", "gold_1m"]
    assert plans("--user", str(ada), "--plan", "gold_1m") == ["gold_1m"]
    assert plans("--user", str(bob), "--method", "telegram") == ["pounds_only"]
    assert plans("--user", str(ada), "--status", "refunded") == []
    assert plans("--user", str(ada), "--until", "2020-01-01") == []
    assert plans("--user", str(ada), "--limit", "1", "--since", "2020-01-01") == ["day_pass"]
    with service.as_service("payments:read") as client:
        over_the_api = client.get("/internal/v1/payments", params={"user_id": ada}).json()["items"]
    assert asked(service, "payments", "--user", str(ada)) == over_the_api


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--since", "yesterday"], 2, "is no day and no time"),
        (["--charge", "x", "--user", "1"], 2, "leave out --user"),
        (["--status", "lost"], 2, "lost"),
        (["--user", "ada"], 2, "'ada' is not a valid Telegram user id, which is a whole number"),
    ],
    ids=["no day", "a charge and a filter", "a state that there is not", "a name for an id"],
)
def test_wrong_choices_are_told(service: Service, options: list[str], code: int, said: str) -> None:
    ran = service.run("payments", *options, check=False)

    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("command", [["grant", "1", "gold_1m"], ["revoke", "ent_1"], ["refund", "x"]], ids=" ".join)
def test_nothing_is_decided_for_a_reason_that_says_nothing(service: Service, command: list[str]) -> None:
    ran = service.run(*command, "--reason", "  ", check=False)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert "A reason has to say something" in ran.stderr


def test_what_waits_is_listed_for_programs_also_without_the_word_list(service: Service) -> None:
    assert asked(service, "quarantine") == asked(service, "quarantine", "list")
    misplaced = service.run("quarantine", "--json", "grant", "x", "--reason", "y", check=False)
    assert (misplaced.returncode, misplaced.stdout) == (2, "")
    assert "--json goes behind grant." in misplaced.stderr


def test_a_user_s_whole_story_is_on_one_page(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada, "day_pass")
    short_by_a_star(service, telegram, ada)
    gift = asked(service, "grant", str(ada), "gold_1m", "--reason", "sorry", "--by", "olga")
    service.run("revoke", gift["entitlement_id"], "--reason", "wrong one", "--by", "olga")

    page = service.run("user", str(ada)).stdout
    told = asked(service, "user", str(ada))

    sections = ["Access", "Ended", "In quarantine", "Payments", "What happened last"]
    assert [line for line in page.splitlines() if line in sections] == sections
    assert "ended by hand by olga: wrong one" in page
    assert [row["plan_code"] for row in told["entitlements"] if row["active"]] == ["day_pass"]
    assert [payment["status"] for payment in told["payments"]] == ["quarantined", "granted"]
    assert [payment["quarantine_reason"] for payment in told["quarantine"]] == ["amount_mismatch"]
    assert told["events"][0]["kind"] == "entitlement_revoked"
    assert set(told) == {
        "user_id", "known", "person", "entitlements", "payments", "quarantine", "events", "messages",
    }  # fmt: skip


def test_a_user_whom_nobody_knows_is_1_as_a_charge_is(service: Service) -> None:
    ran = service.run("user", "424242", check=False)
    what, remedy = ran.stderr.splitlines()

    assert (ran.returncode, ran.stdout) == (1, "")
    assert what == "Nobody with the id 424242 has ever talked to the bot, bought here, or been given anything."
    assert "tollgram user NAME" in remedy
    assert asked(service, "user", "424242")["known"] is False


def test_who_has_only_talked_to_the_bot_is_found_by_name_and_shown_what_they_were_told(
    service: Service, telegram: SandboxServer
) -> None:
    one, other = (telegram.create_user(name)["id"] for name in ("Wilhelmina Alder", "Wilhelmina Birch"))
    for user in (one, other):
        telegram.say(user, "/start")
    alder = eventually(lambda: service.run("user", "wilhelmina alder", check=False).stdout)
    both = eventually(lambda: len(asked(service, "user", "Wilhelmina")["found"]) == 2)
    several = service.run("user", "Wilhelmina", check=False)
    nobody = service.run("user", "Wilhelmina Cedar", check=False)

    assert both
    assert alder.splitlines()[0].startswith(f"User {one}, Wilhelmina Alder")
    assert "message sent, welcome" in service.run("user", str(one)).stdout
    assert [letter["kind"] for letter in asked(service, "user", str(one))["messages"]] == ["Welcome"]
    assert several.returncode == 1
    assert {line.split()[0] for line in several.stdout.splitlines()[1:]} == {str(one), str(other)}
    assert several.stderr.splitlines()[1] == "Choose one: tollgram user ID"
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert nobody.stderr.startswith("Nobody is found by 'Wilhelmina Cedar'.\n")


def test_a_user_is_found_by_what_they_paid(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    charge = short_by_a_star(service, telegram, ada)
    payment = only(asked(service, "payments", "--user", str(ada)))

    assert [asked(service, "user", id)["user_id"] for id in (charge, payment["payment_id"])] == [ada, ada]


def test_a_charge_is_found_by_the_payment_provider_s_own_id_as_well(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada, "pounds_only")
    payment = only(asked(service, "payments", "--user", str(ada)))
    assert payment["provider_charge_id"].startswith("ch_")

    story = only(asked(service, "payments", "--charge", payment["provider_charge_id"]))
    unknown = service.run("payments", "--charge", "ch_never_heard_of", check=False)

    assert story["payment"] == payment
    assert unknown.returncode == 1
    assert "try the pi_…" in unknown.stdout


def test_on_a_terminal_of_80_columns_rows_stay_rows_and_ids_stay_whole(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada, "day_pass")
    charge = short_by_a_star(service, telegram, ada)
    ids = [payment["payment_id"] for payment in asked(service, "payments", "--user", str(ada))]

    narrow = on_terminal(service, "payments", "--user", str(ada))
    wide = on_terminal(service, "payments", "--user", str(ada), columns=160)
    story = on_terminal(service, "payments", "--charge", charge)

    heading, *lines = STYLES.sub("", narrow).splitlines()
    assert heading.split() == ["Received", "(UTC)", "User", "Amount", "Plan", "Method", "End"]
    assert [line.split()[0] for line in lines[1::2]] == ids
    assert max(map(len, [heading, *lines])) <= COLUMNS
    assert [line.rstrip().endswith(end) for line, end in zip(lines[::2], ("quarantined", "granted"), strict=True)]
    assert "\x1b[33mquarantined" in narrow
    assert "\x1b[32mgranted" in narrow
    assert [line.split()[-2:] for line in STYLES.sub("", wide).splitlines()[1:2]] == [[ids[0], "amount_mismatch"]]
    assert charge in story


def test_on_a_narrower_terminal_every_fact_has_a_line_and_none_is_cut_off(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada)
    [payment] = asked(service, "payments", "--user", str(ada))

    told = STYLES.sub("", on_terminal(service, "payments", "--user", str(ada), columns=50))
    facts = dict(re.split(r"\s{2,}", line.rstrip(), maxsplit=1) for line in told.splitlines())

    assert "…" not in told
    assert (facts["User"], facts["Amount"]) == (str(ada), "1,250 ⭐")
    assert (facts["End"], facts["Payment"]) == ("granted", payment["payment_id"])
    assert "Because" not in facts


def test_where_it_is_read_by_a_program_every_row_is_one_line_without_colour(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada)

    heading, row = service.run("payments", "--user", str(ada)).stdout.splitlines()

    assert heading.split()[-2:] == ["Payment", "Because"]
    assert row.split()[-1].startswith("pay_")
    assert "\x1b" not in row
