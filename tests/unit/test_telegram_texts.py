"""What the bot says: short and plain, each message an answer to one question, names of plans harmless in it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.telegram.buttons import decode
from adapters.telegram.limits import check, visible_length
from adapters.telegram.texts import Texts
from adapters.telegram.titles import inert
from adapters.telegram.words import DIRECTORY, Words
from application.buttons import Buy, Cancel, OpenPortal, ShowMethods, ShowPlans
from application.chat import COMMANDS, Toast
from application.messages import (
    AccessGiven,
    AccessRestored,
    AccessSuspended,
    AccessWithdrawn,
    AskInPrivate,
    CheckoutInvitation,
    Confirmation,
    Help,
    InvoiceMessage,
    Letter,
    Message,
    MethodChoice,
    MethodMenu,
    NothingForSale,
    NotUnderstood,
    PartReturned,
    PaymentHeld,
    PaymentReturned,
    PaymentReturning,
    PaySupport,
    PlanChoice,
    PlanList,
    PlanMenu,
    PortalInvitation,
    Price,
    PurchaseDeclined,
    Status,
    StatusLine,
    TermsOfSale,
    Welcome,
)
from domain.catalog import Method
from domain.ids import MAX_USER_ID, BotName, InvoiceId, PlanCode, UserId
from domain.invoice import Objection

ADA = UserId(42)
POUNDS = Price(amount=2500, currency="GBP")
STARS = Price(amount=1250, currency="XTR")
START = datetime(2026, 11, 21, 14, 5, 59, tzinfo=UTC)
END = datetime(2026, 12, 21, 14, 5, 59, tzinfo=UTC)
PAGE = "https://checkout.stripe.com/c/pay/cs_live_a1#fidkdWxOYHwnPyd1blpxYHZxWjA0"
TEXTS = Texts(support_contact="@shop_help")


def plan(code: str = "gold_1m", **changes: Any) -> PlanChoice:
    described: dict[str, Any] = {
        "plan_code": PlanCode(code),
        "title": "Gold, 1 month",
        "description": "Signals and copy trading",
        "prices": (POUNDS, STARS),
    }
    return PlanChoice(**described | changes)


def method_menu(**changes: Any) -> MethodMenu:
    methods = tuple(MethodChoice(method=method, price=STARS if method is Method.STARS else POUNDS) for method in Method)
    return MethodMenu(user_id=ADA, plan=plan(**changes), methods=methods)


def invoice(**changes: Any) -> InvoiceMessage:
    described: dict[str, Any] = {
        "invoice_id": InvoiceId("inv_" + "a" * 32),
        "user_id": ADA,
        "title": "Gold, 1 month",
        "description": "Signals and copy trading",
        "payload": "t1.gold_1m.payload",
        "price": STARS,
        "method": Method.STARS,
    }
    return InvoiceMessage(**described | changes)


def invitation(**changes: Any) -> CheckoutInvitation:
    described: dict[str, Any] = {
        "invoice_id": InvoiceId("inv_" + "a" * 32),
        "title": "Gold, 1 month",
        "description": "Signals and copy trading",
        "price": POUNDS,
        "url": PAGE,
    }
    return CheckoutInvitation(**described | changes)


def confirmation(**changes: Any) -> Confirmation:
    described: dict[str, Any] = {
        "plan": "Gold, 1 month",
        "price": POUNDS,
        "starts_at": START,
        "expires_at": END,
        "extends": False,
    }
    return Confirmation(**described | changes)


EVERY_MESSAGE: list[Message] = [
    Welcome(),
    Help(),
    NotUnderstood(),
    PlanList(plans=(plan(),)),
    PlanMenu(user_id=ADA, plans=(plan(),)),
    method_menu(),
    NothingForSale(),
    *(PurchaseDeclined(code=code) for code in ("unknown_plan", "method_unavailable", "rate_limited", "conflict")),
    PurchaseDeclined(code="already_entitled", plan="Gold", until=END),
    PurchaseDeclined(code="already_entitled", plan="Gold", for_life=True),
    confirmation(),
    confirmation(extends=True),
    confirmation(expires_at=None),
    confirmation(expires_at=None, extends=True),
    *(PaymentHeld(price=POUNDS, reason=reason, plan="Gold") for reason in (*Objection, "")),
    PaymentHeld(price=STARS, reason="bad_payload"),
    *(PaymentReturning(price=POUNDS, reason=reason, plan="Gold") for reason in (*Objection, "")),
    PaymentReturning(price=STARS, reason="bad_payload"),
    *(PaymentReturned(price=STARS, plan=name, ended=ended) for name in ("Gold", None) for ended in (True, False)),
    *(PartReturned(price=Price(amount=500, currency="GBP"), left=POUNDS, plan=name) for name in ("Gold", None)),
    AccessSuspended(plan="Gold"),
    AccessRestored(plan="Gold", expires_at=END),
    AccessRestored(plan="Gold", expires_at=None),
    *(
        AccessGiven(plan="Gold", starts_at=START, expires_at=end, extends=extends)
        for end in (END, None)
        for extends in (True, False)
    ),
    *(AccessWithdrawn(plan="Gold", ended=ended) for ended in (True, False)),
    invitation(),
    PortalInvitation(user_id=ADA, url=PAGE),
    PurchaseDeclined(code="provider_unavailable"),
    Status(user_id=ADA, plans=()),
    Status(user_id=ADA, plans=(), portal=True),
    Status(
        user_id=ADA,
        plans=(StatusLine(plan="Gold", expires_at=END), StatusLine(plan="Club", expires_at=None)),
        waiting=(STARS,),
    ),
    TermsOfSale(),
    PaySupport(user_id=ADA),
    AskInPrivate(start="buy_gold_1m"),
]


def said(message: Message, *, texts: Texts = TEXTS, language: str = "en", chat_id: int = ADA) -> dict[str, Any]:
    letter = Letter(bot=BotName("main"), chat_id=chat_id, language=language, message=message)
    call = texts.render(letter, username="shop_bot")
    assert call.method == "sendMessage"
    check(call)
    return dict(call.parameters)


def text(message: Message, **how: Any) -> str:
    return str(said(message, **how)["text"])


def labels(message: Message, **how: Any) -> list[str]:
    rows = said(message, **how).get("reply_markup", {}).get("inline_keyboard", [])
    return [button["text"] for row in rows for button in row]


def actions(message: Message) -> list[Any]:
    rows = said(message)["reply_markup"]["inline_keyboard"]
    return [decode(button["callback_data"]) for row in rows for button in row]


# Every message


@pytest.mark.parametrize(
    "message",
    [pytest.param(message, id=f"{type(message).__name__} {number}") for number, message in enumerate(EVERY_MESSAGE)],
)
def test_every_message_is_plain_words_within_telegrams_limits(message: Message) -> None:
    words = text(message)
    assert "!" not in words
    assert "{" not in words
    assert "None" not in words
    assert visible_length(words) < 700
    assert said(message)["parse_mode"] == "HTML"
    assert said(message)["link_preview_options"] == {"is_disabled": True}


# Buying


def test_the_welcome_says_what_this_is_and_offers_to_buy() -> None:
    assert "buy access" in text(Welcome())
    assert labels(Welcome()) == ["Buy a plan"]
    assert actions(Welcome()) == [(ShowPlans(), ADA)]


def test_the_plans_are_told_with_their_prices() -> None:
    words = text(PlanList(plans=(plan(), plan("life", title="For life", prices=(STARS,)))))
    assert "<b>Gold, 1 month</b> · £25.00 or 1,250 ⭐\nSignals and copy trading" in words
    assert "<b>For life</b> · 1,250 ⭐" in words


def test_the_menu_has_a_button_a_plan_for_its_user_alone() -> None:
    menu = PlanMenu(user_id=ADA, plans=(plan(), plan("life", title="For life")))
    assert labels(menu) == ["Gold, 1 month", "For life"]
    assert actions(menu) == [
        (ShowMethods(plan_code=PlanCode("gold_1m")), ADA),
        (ShowMethods(plan_code=PlanCode("life")), ADA),
    ]


def test_the_methods_are_offered_with_what_each_costs() -> None:
    assert labels(method_menu()) == [
        "Telegram Stars · 1,250 ⭐",
        "Telegram Pay · £25.00",
        "Stripe · £25.00",
        "All plans",
    ]
    assert actions(method_menu()) == [
        *((Buy(plan_code=PlanCode("gold_1m"), method=method), ADA) for method in Method),
        (ShowPlans(), ADA),
    ]


@pytest.mark.parametrize(("price", "pay"), [(STARS, "Pay 1,250 ⭐"), (POUNDS, "Pay £25.00")], ids=str)
def test_an_invoice_has_a_button_to_pay_and_one_to_cancel(price: Price, pay: str) -> None:
    letter = Letter(bot=BotName("main"), chat_id=ADA, language="en", message=invoice(price=price))
    call = TEXTS.render(letter)
    assert call.method == "sendInvoice"
    (first,), (second,) = call.parameters["reply_markup"]["inline_keyboard"]
    assert first == {"text": pay, "pay": True}
    assert second["text"] == "Cancel"
    assert decode(second["callback_data"]) == (Cancel(invoice_id=InvoiceId("inv_" + "a" * 32)), ADA)


@pytest.mark.criterion("1.3")
def test_the_way_to_stripe_tells_plan_and_price_and_has_a_button_to_pay_and_one_to_cancel() -> None:
    asked = said(invitation())
    (pay,), (cancel,) = asked["reply_markup"]["inline_keyboard"]
    assert asked["text"].startswith("<b>Gold, 1 month</b> · £25.00\nSignals and copy trading\n")
    assert pay == {"text": "Pay £25.00", "url": PAGE}
    assert cancel["text"] == "Cancel"
    assert decode(cancel["callback_data"]) == (Cancel(invoice_id=InvoiceId("inv_" + "a" * 32)), ADA)


@pytest.mark.parametrize(
    "url",
    ["", "checkout.stripe.com/c", "javascript:alert(1)", "tg://user?id=42", "HTTPS", "/checkout"],
)
@pytest.mark.parametrize(
    "leads", [invitation, lambda url: PortalInvitation(user_id=ADA, url=url)], ids=["pay", "portal"]
)
def test_a_button_that_leads_nowhere_is_never_sent(leads: Any, url: str) -> None:
    with pytest.raises(ValueError, match="no page"):
        said(leads(url=url))


def test_an_invoice_asks_exactly_its_price() -> None:
    call = TEXTS.render(Letter(bot=BotName("main"), chat_id=ADA, language="en", message=invoice()))
    assert call.parameters["currency"] == "XTR"
    assert call.parameters["prices"] == [{"label": "Gold, 1 month", "amount": 1250}]


def test_a_forwarded_copy_of_an_invoice_leads_to_the_bot_instead_of_being_payable() -> None:
    call = TEXTS.render(Letter(bot=BotName("main"), chat_id=ADA, language="en", message=invoice()))
    assert call.parameters["start_parameter"]


@pytest.mark.parametrize(
    ("declined", "because"),
    [
        (PurchaseDeclined(code="unknown_plan"), "/plans"),
        (PurchaseDeclined(code="method_unavailable", plan="Gold"), "/buy"),
        (
            PurchaseDeclined(code="already_entitled", plan="Gold", until=END),
            "<b>Gold</b> already, until 21 December 2026, 14:05 UTC",
        ),
        (PurchaseDeclined(code="already_entitled", plan="Gold", for_life=True), "<b>Gold</b> already, for life"),
        (PurchaseDeclined(code="already_entitled"), "this plan"),
        (PurchaseDeclined(code="rate_limited", retry_after_s=1), "in one second"),
        (PurchaseDeclined(code="rate_limited", retry_after_s=42), "in 42 seconds"),
        (PurchaseDeclined(code="provider_unavailable"), "Stripe can't be reached at the moment. Nothing was charged."),
        (PurchaseDeclined(code="something_else"), "/paysupport"),
    ],
    ids=str,
)
def test_a_purchase_that_can_not_begin_is_declined_with_the_reason_and_the_way_on(
    declined: PurchaseDeclined, because: str
) -> None:
    assert because in text(declined)


def test_who_mistyped_a_plan_can_go_on_to_the_others() -> None:
    assert actions(PurchaseDeclined(code="unknown_plan")) == [(ShowPlans(), ADA)]


# Money


@pytest.mark.criterion("3.8")
def test_a_confirmation_names_the_plan_and_its_end() -> None:
    assert "£25.00" in text(confirmation())
    assert "<b>Gold, 1 month</b>, until 21 December 2026, 14:05 UTC" in text(confirmation())


def test_a_confirmation_for_life_names_no_end() -> None:
    assert "<b>Gold, 1 month</b>, for life" in text(confirmation(expires_at=None))


def test_a_confirmation_of_more_time_says_when_it_begins() -> None:
    words = text(confirmation(extends=True))
    assert "now until 21 December 2026, 14:05 UTC" in words
    assert "begins on 21 November 2026, 14:05 UTC" in words


@pytest.mark.parametrize(
    ("end", "shown"),
    [
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "31 December 9999, 23:59 UTC"),
        (datetime(2028, 2, 29, tzinfo=UTC), "29 February 2028, 00:00 UTC"),
        (datetime(101, 1, 1, tzinfo=UTC), "1 January 0101, 00:00 UTC"),
    ],
    ids=str,
)
@pytest.mark.threat(29)
def test_a_year_has_four_digits(end: datetime, shown: str) -> None:
    assert shown in text(confirmation(expires_at=end))


@pytest.mark.parametrize("reason", Objection)
def test_who_paid_for_nothing_is_told_why_and_where_to_turn(reason: Objection) -> None:
    words = text(PaymentHeld(price=POUNDS, reason=reason, plan="Gold"))
    assert "£25.00" in words
    assert "/paysupport" in words
    assert "because" in words
    assert reason.value not in words or "_" not in reason.value


def test_a_reason_that_we_have_no_words_for_is_still_told_as_one() -> None:
    assert "because it could not be matched" in text(PaymentHeld(price=POUNDS, reason="brand_new"))


@pytest.mark.parametrize("ended", [True, False])
def test_who_got_money_back_is_told_whether_access_ended(ended: bool) -> None:
    words = text(PaymentReturned(price=STARS, plan="Gold", ended=ended))
    assert "1,250 ⭐" in words
    assert "/paysupport" in words
    assert ("ended" in words) is ended


def test_the_status_tells_every_plan_and_what_waits() -> None:
    lines = (StatusLine(plan="Gold", expires_at=END), StatusLine(plan="Club", expires_at=None))
    words = text(Status(user_id=ADA, plans=lines, waiting=(STARS,)))
    assert "<b>Gold</b>, until 21 December 2026, 14:05 UTC\n<b>Club</b>, for life" in words
    assert "1,250 ⭐" in words
    assert labels(Status(user_id=ADA, plans=lines)) == []


def test_who_paid_by_stripe_is_shown_the_way_to_receipts_and_cards() -> None:
    held = Status(user_id=ADA, plans=(StatusLine(plan="Gold", expires_at=END),), portal=True)
    nothing_held = Status(user_id=ADA, plans=(), portal=True)
    assert (labels(held), actions(held)) == (["Receipts and cards"], [(OpenPortal(), ADA)])
    assert labels(nothing_held) == ["Buy a plan", "Receipts and cards"]
    assert actions(nothing_held) == [(ShowPlans(), ADA), (OpenPortal(), ADA)]


def test_the_way_to_the_portal_is_one_button() -> None:
    (row,) = said(PortalInvitation(user_id=ADA, url=PAGE))["reply_markup"]["inline_keyboard"]
    assert row == [{"text": "Open my page at Stripe", "url": PAGE}]


def test_who_got_a_part_back_is_told_what_is_left_and_that_access_stays() -> None:
    words = text(
        PartReturned(price=Price(amount=500, currency="GBP"), left=Price(amount=2000, currency="GBP"), plan="Gold")
    )
    assert "We returned £5.00" in words
    assert "<b>Gold</b>. £20.00" in words
    assert "access stays" in words


def test_whose_payment_is_disputed_is_told_that_access_is_interrupted_and_when_it_goes_on() -> None:
    assert "<b>Gold</b>" in text(AccessSuspended(plan="Gold"))
    assert "interrupted" in text(AccessSuspended(plan="Gold"))
    assert "<b>Gold</b>, until 21 December 2026, 14:05 UTC" in text(AccessRestored(plan="Gold", expires_at=END))
    assert "<b>Gold</b>, for life" in text(AccessRestored(plan="Gold", expires_at=None))


def test_who_has_nothing_is_told_so_and_offered_a_plan() -> None:
    assert "no plan" in text(Status(user_id=ADA, plans=()))
    assert labels(Status(user_id=ADA, plans=())) == ["Buy a plan"]


def test_help_with_a_payment_names_the_operators_contact_and_the_users_number() -> None:
    words = text(PaySupport(user_id=UserId(MAX_USER_ID)))
    assert "@shop_help" in words
    assert "<code>4503599627370495</code>" in words


def test_without_a_contact_help_with_a_payment_says_what_happens_by_itself() -> None:
    words = text(PaySupport(user_id=ADA), texts=Texts())
    assert "a person" in words
    assert "<code>42</code>" in words


# Groups


def test_a_group_is_led_to_the_private_chat() -> None:
    (row,) = said(AskInPrivate(start="buy_gold_1m"), chat_id=-100)["reply_markup"]["inline_keyboard"]
    assert row == [{"text": "Open the private chat", "url": "https://t.me/shop_bot?start=buy_gold_1m"}]


@pytest.mark.parametrize("start", ["", "buy_a b", "buy_&x=1", "buy_\u202e", "x" * 65], ids=ascii)
def test_a_start_that_telegram_would_not_take_is_left_out(start: str) -> None:
    (row,) = said(AskInPrivate(start=start), chat_id=-100)["reply_markup"]["inline_keyboard"]
    assert row[0]["url"] == "https://t.me/shop_bot"


@pytest.mark.parametrize("username", [None, "", "a/b", "a?b"])
def test_without_a_username_there_is_no_link(username: str | None) -> None:
    letter = Letter(bot=BotName("main"), chat_id=-100, language="en", message=AskInPrivate(start=""))
    assert "reply_markup" not in TEXTS.render(letter, username=username).parameters


@pytest.mark.parametrize("message", [Welcome(), Help(), NotUnderstood()], ids=lambda message: type(message).__name__)
def test_a_group_is_offered_no_button_that_belongs_to_nobody(message: Message) -> None:
    assert labels(message, chat_id=-100) == []


# Names of plans


@pytest.mark.threat(18)
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<b>Gold</b>", "&lt;b&gt;Gold&lt;/b&gt;"),
        ("Gold & Co", "Gold &amp; Co"),
        ("&lt;", "&amp;lt;"),
        ("*Gold* _1_ [x](y)", "*Gold* _1_ [x](y)"),
        ("Go\u202eld", "Gold"),
        ("Go\u200bl\u2060d\ufeff", "Gold"),
        ("Go\nld\t1", "Go ld 1"),
        ("Go\0ld", "Go ld"),
        ("Go\u2028ld", "Go ld"),
        ("\ud800Gold", "Gold"),
        ("\u200b", "–"),
        ("", "–"),
        ("ذهبي", "\u2068ذهبي\u2069"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
    ],
    ids=ascii,
)
def test_a_name_is_inert_wherever_it_stands(name: str, shown: str) -> None:
    bold = f"<b>{shown}</b>"
    for message in (
        PlanList(plans=(plan(title=name),)),
        PlanMenu(user_id=ADA, plans=(plan(title=name),)),
        method_menu(title=name),
        confirmation(plan=name),
        PaymentHeld(price=POUNDS, reason="wrong_user", plan=name),
        PaymentReturned(price=POUNDS, plan=name, ended=True),
        Status(user_id=ADA, plans=(StatusLine(plan=name, expires_at=END),)),
    ):
        assert bold in text(message), message


@pytest.mark.threat(18)
def test_a_contact_is_inert_too() -> None:
    assert "&lt;i&gt;" in text(PaySupport(user_id=ADA), texts=Texts(support_contact="<i>me"))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Gold, 1 month", "Gold, 1 month"),
        ("Every signal and copy trading for life", "Every signal and…"),
        ("Extraordinarily lengthy", "Extraordinarily…"),
        ("Donaudampfschifffahrtsgesellschaft", "Donaudampfschifffah…"),
        ("Gold, forever and a day more", "Gold, forever and a…"),
        ("123456789012345678e\u0301xtra", "123456789012345678e…"),
        ("1234567890123456 e\u0301\u0301xtra words", "1234567890123456…"),
        ("123456789012345678👨\u200d👩\u200d👧", "123456789012345678👨…"),
    ],
    ids=ascii,
)
def test_a_label_too_long_is_cut_where_it_hurts_least(name: str, label: str) -> None:
    assert inert(name, at_most=20) == label
    assert len(label) <= 20


def many(count: int, title: str = "Gold, 1 month", description: str = "Signals") -> tuple[PlanChoice, ...]:
    return tuple(
        plan(f"plan_{number:035d}", title=f"{number:03d} {title}", description=description) for number in range(count)
    )


@pytest.mark.parametrize("count", [1, 10, 40, 100, 101, 500])
@pytest.mark.parametrize("title", ["Gold", "W" * 28, "<&>" * 9, "ذ" * 28])
def test_a_catalog_of_any_size_fits_into_a_message(count: int, title: str) -> None:
    plans = many(count, title, "d" * 255)
    said(PlanList(plans=plans))
    menu = said(PlanMenu(user_id=UserId(MAX_USER_ID), plans=plans))
    shown = len(menu["reply_markup"]["inline_keyboard"])
    left = {0: "", 1: "One more is not shown"}.get(count - shown, f"{count - shown} more are not shown")
    assert left in menu["text"]
    assert shown >= min(count, 60)


def test_a_list_that_does_not_fit_says_how_many_are_missing() -> None:
    words = text(PlanList(plans=many(200, "W" * 28)))
    assert words.count("<b>0") + words.count("<b>1") + int(words.split()[-6]) == 200


def test_a_status_of_any_size_fits_and_what_waits_comes_first() -> None:
    lines = tuple(StatusLine(plan="W" * 32, expires_at=END) for _ in range(200))
    words = text(Status(user_id=ADA, plans=lines, waiting=(STARS,) * 20))
    assert words.count("1,250 ⭐") == 20
    assert "more are not shown" in words
    text(Status(user_id=ADA, plans=(), waiting=(STARS,) * 20))


def test_one_that_is_missing_is_one() -> None:
    plans = many(101)
    assert "One more is not shown here" in text(
        PlanMenu(user_id=ADA, plans=tuple(plan(f"p{number}", title="P") for number, _ in enumerate(plans)))
    )


# Money that is none


def test_money_that_is_none_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="unknown currency"):
        text(confirmation(price=Price(amount=5, currency="ZZZ")))


# Languages


@pytest.fixture
def german(tmp_path: Path) -> Texts:
    (tmp_path / "en.ftl").write_text((DIRECTORY / "en.ftl").read_text("utf-8"), "utf-8")
    (tmp_path / "de.ftl").write_text(
        "button-buy = Plan kaufen\n"
        "status-nothing = Du hast gerade keinen Plan.\n"
        "refused-disabled = Zahlungen sind gerade abgeschaltet.\n"
        "confirmation = { $prize } bezahlt\n"
        "this line is no Fluent\n",
        "utf-8",
    )
    (tmp_path / "NOTES.ftl").write_text("button-buy = never\n", "utf-8")
    (tmp_path / "not a language.ftl").write_text("button-buy = never\n", "utf-8")
    return Texts(words=Words(tmp_path))


@pytest.mark.parametrize("language", ["de", "de-at", "de-x-y"])
def test_a_language_is_there_as_soon_as_its_file_is(german: Texts, language: str) -> None:
    assert text(Status(user_id=ADA, plans=()), texts=german, language=language) == "Du hast gerade keinen Plan."
    assert labels(Status(user_id=ADA, plans=()), texts=german, language=language) == ["Plan kaufen"]
    assert german.refusal(Objection.DISABLED, language) == "Zahlungen sind gerade abgeschaltet."
    assert german.languages == ("de", "en")


def test_what_a_language_lacks_or_gets_wrong_is_said_in_english(german: Texts) -> None:
    assert text(Help(), texts=german, language="de") == text(Help())
    assert "Gold, 1 month" in text(confirmation(), texts=german, language="de")


@pytest.mark.parametrize("language", ["fr", "", "../../etc/passwd", "EN", "zh-hans"])
def test_any_other_language_is_english(language: str) -> None:
    assert text(Welcome(), language=language) == text(Welcome())


def test_without_english_there_are_no_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"en\.ftl"):
        Words(tmp_path)


def test_a_message_that_nobody_wrote_is_a_fault_of_ours() -> None:
    with pytest.raises(LookupError, match="never-written"):
        Words().say("never-written", "en")


@pytest.mark.criterion("2.8")
@pytest.mark.parametrize("objection", Objection)
def test_every_objection_has_words_of_its_own(objection: Objection) -> None:
    others = {TEXTS.refusal(other, "en") for other in Objection if other is not objection}
    assert TEXTS.refusal(objection, "en") not in others


def test_every_toast_is_said_and_a_no_has_to_be_closed() -> None:
    shown = {toast: TEXTS.toast(toast, "en") for toast in Toast}
    assert shown[Toast.DONE] == (None, False)
    assert {toast for toast, (_, alert) in shown.items() if alert} == {
        Toast.NOT_YOURS,
        Toast.OUTDATED,
        Toast.NOT_CANCELLED,
    }
    assert all(words for toast, (words, _) in shown.items() if toast is not Toast.DONE)


def test_the_command_menu_offers_every_command_but_start() -> None:
    assert [name for name, _ in TEXTS.commands("en")] == [name for name in COMMANDS if name != "start"]
