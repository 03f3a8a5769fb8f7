"""The doctor finds what is wrong with settings, database, catalog and Telegram, and says how to mend it."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from adapters.catalog_file import read_catalog
from adapters.foreign_clock import how_far_ahead
from adapters.sql.engine import open_engine
from adapters.sql.work import SqlUnitOfWork
from application.ports.inbox import FoundBy, Report, Source
from domain.ids import BotName
from entrypoints.examination.clock import skew
from entrypoints.examination.disk import room
from entrypoints.examination.examine import examine
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.examination.queues import standing
from entrypoints.examination.selling import examine_selling
from entrypoints.examination.webhooks import examine_way
from entrypoints.settings import Settings, known_settings
from tests.integration.sandbox_server import BOT_TOKEN, SandboxServer
from tests.integration.service import CATALOG, JWT_SECRET, SIGNING_KEY, WEBHOOK_SECRET, Service, eventually, only


@pytest.fixture
def prepared(telegram: SandboxServer, tmp_path: Path) -> Iterator[Service]:
    """Settings, a catalog and an empty folder; nothing runs."""
    (tmp_path / "catalog.toml").write_text(CATALOG)
    telegram.call("deleteWebhook", {"drop_pending_updates": True}, token=BOT_TOKEN)
    yield Service(tmp_path, telegram.url)
    telegram.call("deleteWebhook", {"drop_pending_updates": True}, token=BOT_TOKEN)


def test_where_all_is_well_it_says_so(prepared: Service) -> None:
    prepared.settings = {"SUPPORT_CONTACT": "@ada", "TELEGRAM_PAYMENT_PROVIDER_TOKEN": ""}
    (prepared.folder / "catalog.toml").write_text(CATALOG.partition("[plans.pounds_only]")[0])
    prepared.run("migrate")
    prepared.run("webhook", "set")
    prepared.start()
    ran = prepared.run("doctor", check=False)
    prepared.stop()

    assert (ran.returncode, ran.stderr) == (0, "")
    *lines, empty, end = ran.stdout.splitlines()
    remedy = next(line for line in lines if "PASSPORT_KEYS" in line)
    lines.remove(remedy)
    assert remedy.strip().endswith("then run: tollgram passport rotate")
    assert {line.split()[0] for line in lines} == {"ok"}
    assert [subject_of(line) for line in lines] == [
        "settings",
        "disk",
        "database",
        "schema",
        "queues",
        "queues",
        "clock",
        "catalog",
        "texts",
        "passports",
        "bot main",
        "bot main",
        "bot main",
    ]
    assert (empty, end) == ("", "Nothing wrong, nothing to look at.")


def test_for_programs_it_is_the_same_in_json(prepared: Service) -> None:
    ran = prepared.run("doctor", "--json", check=False)
    told = json.loads(ran.stdout)

    assert ran.returncode == 1
    assert told["healthy"] is False
    assert {frozenset(finding) for finding in told["findings"]} == {
        frozenset({"verdict", "subject", "finding", "remedy"})
    }
    assert {finding["verdict"] for finding in told["findings"]} == {"good", "warning", "wrong"}


@pytest.mark.threat(1)
def test_missing_settings_do_not_hide_the_rest(prepared: Service) -> None:
    prepared.settings = {"TELEGRAM_WEBHOOK_SECRET": "", "INVOICE_SIGNING_KEYS": ""}
    found = wrong(prepared)

    assert [finding.finding.split()[0] for finding in found if finding.subject == "settings"] == [
        "TELEGRAM_WEBHOOK_SECRET",
        "INVOICE_SIGNING_KEYS",
    ]
    assert {finding.subject for finding in found} == {"settings", "database", "bot main"}


def test_a_database_that_was_never_made_is_not_made_by_looking(prepared: Service) -> None:
    found = only([finding for finding in wrong(prepared) if finding.subject == "database"])

    assert found.remedy == "Run: tollgram migrate"
    assert not (prepared.folder / "tollgram.db").exists()


def test_a_schema_that_is_not_there_yet_is_told(prepared: Service) -> None:
    sqlite3.connect(prepared.folder / "tollgram.db").executescript("CREATE TABLE x (y); DROP TABLE x;")
    found = only([finding for finding in wrong(prepared) if finding.subject == "schema"])

    assert found.remedy == "Run: tollgram migrate"


@pytest.mark.threat(34)
def test_a_database_that_does_not_answer_is_told_with_its_place_and_no_password(prepared: Service) -> None:
    prepared.settings = {"DATABASE_URL": "postgresql://ada:canary@127.0.0.1:1/tollgram"}
    found = only([finding for finding in wrong(prepared) if finding.subject == "database"])

    assert "127.0.0.1:1/tollgram can't be reached" in found.finding
    assert "Connection refused" in found.finding
    assert "DATABASE_URL" in found.remedy
    assert "canary" not in str(found)


def test_mistakes_of_the_catalog_are_told_with_their_places(prepared: Service) -> None:
    (prepared.folder / "catalog.toml").write_text(CATALOG.replace("1250", "0").replace("75", "-1"))
    found = [finding.finding for finding in wrong(prepared) if finding.subject == "catalog"]

    assert len(found) == 2
    assert "plans.gold_1m.prices.XTR: " in found[0]
    assert "plans.day_pass.prices.XTR: " in found[1]


@pytest.mark.parametrize(
    ("settings", "unpaid"),
    [
        pytest.param({"TELEGRAM_PAYMENT_PROVIDER_TOKEN": ""}, ["pounds_only"], id="only Stars are set up"),
        pytest.param({"TELEGRAM_PAYMENT_CURRENCY": "USD"}, ["pounds_only"], id="the provider takes dollars"),
        pytest.param(
            {"TELEGRAM_PAYMENT_ENABLED": "false"},
            ["gold_1m", "day_pass", "founder", "pounds_only"],
            id="nothing is set up",
        ),
        pytest.param({}, [], id="both are set up"),
    ],
)
def test_a_plan_that_no_method_can_pay_is_a_warning(
    prepared: Service, settings: dict[str, str], unpaid: list[str]
) -> None:
    prepared.settings = settings
    told = [finding.finding for finding in findings(prepared) if finding.verdict == "warning"]

    assert [words.split()[-1] for words in told if words.startswith("no method")] == unpaid


@pytest.mark.parametrize(
    ("pence", "token", "warned"),
    [
        pytest.param(74, "provider:TEST:1", False, id="about a dollar"),
        pytest.param(73, "provider:TEST:1", True, id="less than that"),
        pytest.param(740_000, "provider:TEST:1", False, id="about ten thousand dollars"),
        pytest.param(740_001, "provider:TEST:1", True, id="more than that"),
        pytest.param(73, "", False, id="no provider to pay through"),
    ],
)
def test_a_price_that_telegram_pay_would_not_take_is_a_warning(
    prepared: Service, pence: int, token: str, warned: bool
) -> None:
    prepared.settings = {"TELEGRAM_PAYMENT_PROVIDER_TOKEN": token}
    (prepared.folder / "catalog.toml").write_text(CATALOG.replace("GBP = 1000 ", f"GBP = {pence} "))
    told = [one for one in findings(prepared) if one.finding.startswith("Telegram Pay takes about")]

    assert [(one.verdict, "pounds_only" in one.finding) for one in told] == [("warning", True)] * warned
    assert all("currencies.json" in one.remedy for one in told)


def test_limits_that_nobody_has_written_down_are_not_vouched_for(prepared: Service) -> None:
    prepared.settings = {"TELEGRAM_PAYMENT_CURRENCY": "KWD"}
    (prepared.folder / "catalog.toml").write_text(CATALOG.replace("GBP = 1000 ", "KWD = 1000 "))

    assert any("in KWD were not held against Telegram's limits" in one.finding for one in findings(prepared))


@pytest.mark.parametrize(("token", "warned"), [("provider:TEST:1", True), ("", False)])
def test_digital_goods_for_money_are_a_warning(prepared: Service, token: str, warned: bool) -> None:
    prepared.settings = {"TELEGRAM_PAYMENT_PROVIDER_TOKEN": token}
    told = [finding for finding in findings(prepared) if "digital goods" in finding.finding]

    assert [finding.verdict for finding in told] == ["warning"] * warned


@pytest.mark.threat(45)
def test_a_webhook_that_is_registered_elsewhere_is_wrong(prepared: Service, telegram: SandboxServer) -> None:
    telegram.set_webhook("https://evil.example/hook")
    found = only([finding for finding in wrong(prepared) if finding.subject == "bot main"])

    assert found.finding == f"its updates go elsewhere: to https://evil.example/hook instead of {prepared.webhook}"
    assert found.remedy.startswith("Run: tollgram webhook set.")


@pytest.mark.threat(45)
def test_no_webhook_at_all_is_wrong(prepared: Service) -> None:
    found = only([finding for finding in wrong(prepared) if finding.subject == "bot main"])

    assert found.finding.startswith("no webhook is set")
    assert found.remedy == "Run: tollgram webhook set"


@pytest.mark.threat(45)
def test_updates_that_telegram_is_told_to_leave_out_are_wrong(prepared: Service, telegram: SandboxServer) -> None:
    telegram.set_webhook(prepared.webhook, allowed_updates=["message", "callback_query"])
    found = only([finding for finding in wrong(prepared) if finding.subject == "bot main"])

    assert "leave out pre_checkout_query" in found.finding


def test_the_way_to_the_webhook_is_gone_with_the_secret(prepared: Service) -> None:
    with prepared as service:
        right = of_the_way(service)
        service.settings = {"TELEGRAM_WEBHOOK_SECRET": "another-secret-of-the-tests"}
        wrong_secret = of_the_way(service)
        service.settings = {"TELEGRAM_BOT_TOKEN": "", "TELEGRAM_BOT_TOKENS_JSON": json.dumps({"other": BOT_TOKEN})}
        other_bot = of_the_way(service)
        # No webhook is set here, which the service says of itself after some seconds.
        told = [line for line in service.log_lines() if line["event"] != "webhook.not_ours"]
        errors = [line for line in told if line["level"] in ("error", "critical")]

    assert (right.verdict, right.finding) == (
        "good",
        f"the service answers at {prepared.webhook}, and knows its secret",
    )
    assert wrong_secret.verdict == "wrong"
    assert "has another TELEGRAM_WEBHOOK_SECRET" in wrong_secret.finding
    assert other_bot.verdict == "wrong"
    assert "does not serve this bot" in other_bot.finding
    assert errors == [], "looking frightens nobody"


def test_an_allow_list_keeps_the_doctor_out_and_that_is_well(prepared: Service) -> None:
    prepared.settings = {"TELEGRAM_IP_ALLOWLIST": "149.154.160.0/20"}
    with prepared as service:
        found = of_the_way(service)

    assert (found.verdict, found.remedy) == ("good", "")
    assert "TELEGRAM_IP_ALLOWLIST lets nobody else" in found.finding


def test_an_address_where_nobody_or_somebody_else_answers_is_a_warning(
    prepared: Service, telegram: SandboxServer
) -> None:
    nobody = of_the_way(prepared)
    prepared.settings = {"PUBLIC_URL": telegram.url}
    elsewhere = of_the_way(prepared)

    assert [found.verdict for found in (nobody, elsewhere)] == ["warning", "warning"]
    assert nobody.finding.startswith(f"nobody answers from here at {prepared.webhook}: ")
    assert "curl -X POST" in nobody.remedy
    assert "leads elsewhere" in elsewhere.finding


@pytest.mark.parametrize(
    ("address", "wrong_port"),
    [("https://127.0.0.1:8080", True), ("https://127.0.0.1:8443", False), ("https://127.0.0.1", False)],
)
def test_a_port_that_telegram_does_not_call_is_wrong(prepared: Service, address: str, wrong_port: bool) -> None:
    values = {**prepared.environment, "TELEGRAM_API_BASE": "", "PUBLIC_URL": address}
    found = only(list(examine_way(Settings.read(values, serving=True), "bot main", BotName("main"))))

    assert (found.verdict == "wrong") == wrong_port
    assert ("443, 80, 88, 8443" in found.finding) == wrong_port


def test_what_waits_and_why_is_a_warning(prepared: Service, telegram: SandboxServer) -> None:
    telegram.set_webhook(prepared.webhook)
    waiting = telegram.create_user("Ada")
    telegram.say(waiting, "/start")
    eventually(lambda: telegram.call("getWebhookInfo")["result"].get("last_error_message"))
    found = [finding for finding in findings(prepared) if finding.subject == "bot main"][-1]

    assert found.verdict == "warning"
    assert found.finding.startswith("1 updates wait at Telegram; it last failed to deliver at 20")
    assert "Connection refused" in found.finding


@pytest.mark.threat(34)
def test_a_token_that_telegram_does_not_know_is_wrong(prepared: Service) -> None:
    with SandboxServer(tokens=["7000009:AAE-the-only-bot-that-there-is-here-00"]) as strict:
        prepared.telegram_api = strict.url
        found = only([finding for finding in wrong(prepared) if finding.subject == "bot main"])

    assert found.finding.startswith("Telegram refuses its token: 401 ")
    assert "@BotFather" in found.remedy
    assert BOT_TOKEN.partition(":")[2] not in str(found)


@pytest.mark.threat(34)
def test_a_telegram_that_is_not_there_is_wrong(prepared: Service) -> None:
    prepared.telegram_api = "http://127.0.0.1:1"
    found = only([finding for finding in wrong(prepared) if finding.subject == "bot main"])

    assert found.finding.startswith("Telegram can't be reached: ")
    assert "Is 127.0.0.1:1 reachable from here" in found.remedy
    assert BOT_TOKEN.partition(":")[2] not in str(found)


@pytest.mark.parametrize("address", ["missing.json", "http://127.0.0.1:1/keys"], ids=["a file", "an address"])
def test_a_key_set_that_is_not_there_is_wrong(prepared: Service, address: str) -> None:
    prepared.settings = {"AUTH_JWT_SECRET": "", "AUTH_JWKS": address}

    found = only([finding for finding in wrong(prepared) if finding.subject == "settings"])

    assert found.finding.startswith("AUTH_JWKS ")


def test_a_misspelled_setting_is_a_warning(prepared: Service) -> None:
    (prepared.folder / ".env").write_text("TELEGRAM_WEBHOOK_SECERT=x\nPOSTGRES_PASSWORD=x\n")
    (prepared.folder / ".env").chmod(0o600)
    told = [finding for finding in findings(prepared) if ".env" in finding.finding]

    assert [(finding.finding, finding.remedy) for finding in told] == [
        ("TELEGRAM_WEBHOOK_SECERT in .env is no setting of this version", "Is TELEGRAM_WEBHOOK_SECRET meant?")
    ]


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o600, False)])
def test_secrets_that_others_may_read_are_a_warning(prepared: Service, mode: int, warned: bool) -> None:
    (prepared.folder / ".env").write_text(f"AUTH_JWT_SECRET={JWT_SECRET}\nINVOICE_SIGNING_KEYS={SIGNING_KEY}\n")
    (prepared.folder / ".env").chmod(mode)
    told = [finding for finding in findings(prepared) if ".env" in finding.finding]

    assert [(finding.verdict, finding.remedy) for finding in told] == [("warning", "chmod 600 .env")] * warned


@pytest.mark.threat(34)
def test_it_shows_no_secret(prepared: Service) -> None:
    said = str(findings(prepared)) + prepared.run("doctor", check=False).stdout

    assert "bot main" in said
    assert [secret for secret in (JWT_SECRET, SIGNING_KEY, WEBHOOK_SECRET, BOT_TOKEN[8:]) if secret in said] == []


@pytest.mark.parametrize(
    ("ahead", "verdict", "said"),
    [
        (timedelta(seconds=-4), "good", "goes with Telegram's"),
        (timedelta(seconds=6), "warning", "is 0:00:06 ahead of Telegram's"),
        (timedelta(seconds=-61), "wrong", "is 0:01:01 behind Telegram's"),
    ],
    ids=["four seconds behind", "six ahead", "a minute behind"],
)
def test_a_clock_that_is_wrong_is_told_with_how_far(ahead: timedelta, verdict: str, said: str) -> None:
    found = skew("Telegram", ahead)

    assert (found.verdict, found.finding) == (verdict, said)


@pytest.mark.parametrize("hours", [-1, 0, 1])
def test_the_time_elsewhere_is_read_off_an_answer(hours: int) -> None:
    with somebody_at(datetime.now(UTC) + timedelta(hours=hours)) as address:
        ahead = how_far_ahead(address)

    assert ahead is not None
    assert round(ahead / timedelta(hours=1)) == -hours


@pytest.mark.parametrize(
    ("mib", "verdict"),
    [(127, "wrong"), (128, "warning"), (1023, "warning"), (1024, "good")],
    ids=str,
)
def test_a_disk_without_room_is_told_before_it_is_full(mib: int, verdict: str) -> None:
    assert room(Path("var"), mib << 20).verdict == verdict


@pytest.mark.parametrize(
    ("number", "minutes", "verdict", "said"),
    [
        (0, None, "good", "no messages to users wait"),
        (1, 5, "good", "messages to users: 1 is waiting, the oldest for 0:05:00"),
        (1200, 6, "warning", "messages to users: 1,200 are waiting, the oldest for 0:06:00"),
    ],
    ids=["none", "one for five minutes", "many for six"],
)
def test_what_waits_for_longer_than_a_while_is_a_warning(
    number: int, minutes: int | None, verdict: str, said: str
) -> None:
    oldest = None if minutes is None else timedelta(minutes=minutes)
    found = standing(number, oldest, "messages to users", "mend it")

    assert (found.verdict, found.finding) == (verdict, said)


def test_reports_that_wait_or_were_given_up_are_told_with_the_command_that_takes_them_up(prepared: Service) -> None:
    prepared.run("migrate")
    engine = open_engine(f"sqlite:///{prepared.folder}/tollgram.db")
    work, long_ago = SqlUnitOfWork(engine), datetime.now(UTC) - timedelta(hours=2)
    reports = [Report(source=Source.TELEGRAM_UPDATE, bot=BotName("main"), body=body) for body in (b"1", b"2")]
    with work.begin() as tx:
        tx.inbox.keep(reports, found_by=FoundBy.WEBHOOK, now=long_ago)
        [one] = tx.inbox.claim(long_ago, at_most=1, lease=timedelta(seconds=1))
        tx.inbox.give_up(one, long_ago, "nobody understands it")
    engine.dispose()
    found = [one for one in findings(prepared) if one.subject == "queues"]

    assert [finding.verdict for finding in found] == ["good", "warning", "warning"]
    assert found[1].finding.startswith("reports of providers: 1 is waiting, the oldest for 2:00:0")
    assert found[2].finding.startswith("reports of providers: 1 is given up")
    assert "tollgram reconcile takes them up again" in found[2].remedy


def test_nobody_to_write_to_is_a_warning_and_a_contact_that_fits_no_message_wrong(prepared: Service) -> None:
    told = [one for one in findings(prepared) if one.subject == "texts"]
    assert only(told).remedy == "Set SUPPORT_CONTACT=@your_name"

    prepared.settings = {"SUPPORT_CONTACT": "x" * 4096}
    found = [one for one in wrong(prepared) if one.subject == "texts"]

    assert found
    assert all(one.finding.startswith("/paysupport can't be sent in ") for one in found)


def test_a_menu_without_the_commands_that_telegram_asks_for_is_a_warning(
    prepared: Service, telegram: SandboxServer
) -> None:
    telegram.call("setMyCommands", {"commands": [{"command": "buy", "description": "x"}]}, token=BOT_TOKEN)
    told = only([one for one in findings(prepared) if "menu of commands" in one.finding])

    assert (told.verdict, told.finding) == ("warning", "its menu of commands lacks /terms, /paysupport")


@pytest.mark.parametrize(("mode", "warned"), [("TEST", True), ("LIVE", False)])
def test_a_provider_token_of_test_mode_beside_a_real_bot_is_a_warning(
    prepared: Service, mode: str, warned: bool
) -> None:
    values = {**prepared.environment, "TELEGRAM_API_BASE": "", "TELEGRAM_PAYMENT_PROVIDER_TOKEN": f"1:{mode}:2"}
    settings = Settings.read(values, serving=True)
    found = list(examine_selling(settings, read_catalog(settings.catalog_path)))

    assert any(one.finding.startswith("test cards open real doors") for one in found) == warned


@contextmanager
def somebody_at(time: datetime) -> Iterator[str]:
    """The address of a server whose clock says that."""

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(302)
            self.send_header("Date", format_datetime(time, usegmt=True))
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"


def findings(prepared: Service) -> list[Finding]:
    """What `tollgram doctor` finds, asked in this process: a process each would take minutes."""
    with pytest.MonkeyPatch.context() as world:
        world.chdir(prepared.folder)
        for name in known_settings():
            world.delenv(name, raising=False)
        for name, value in prepared.environment.items():
            world.setenv(name, value)
        return list(examine())


def of_the_way(prepared: Service) -> Finding:
    """What is said of the way to the webhook."""
    said = [one for one in findings(prepared) if one.finding.startswith(("the service ", "nobody ", "http"))]
    found: Finding = only(said)
    return found


def wrong(prepared: Service) -> list[Finding]:
    """What is wrong; each with a way to mend it."""
    found = [finding for finding in findings(prepared) if finding.verdict is Verdict.WRONG]
    assert all(finding.remedy for finding in found)
    return found


def subject_of(line: str) -> str:
    words = line.split()
    return " ".join(words[1:3]) if words[1] == "bot" else words[1]
