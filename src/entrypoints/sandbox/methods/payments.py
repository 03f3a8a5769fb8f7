"""Invoices, the answer to a pre-checkout query, and Stars."""

import re
from typing import Any

from entrypoints.sandbox.arguments import Arguments
from entrypoints.sandbox.checkout import Checkout
from entrypoints.sandbox.invoices import STARS, Invoice
from entrypoints.sandbox.keyboards import inline_keyboard
from entrypoints.sandbox.ledger import LARGEST_PAGE
from entrypoints.sandbox.people import Bot, Json
from entrypoints.sandbox.refusal import bad_request

LONGEST_TITLE = 32
LONGEST_DESCRIPTION = 255
LONGEST_PAYLOAD_BYTES = 128
LARGEST_AMOUNT = 2**63 - 1
LARGEST_STARS = 100_000
SUBSCRIPTION_PERIOD_S = 2_592_000
DEAREST_SUBSCRIPTION = 10_000
PAID_SYMBOL = "⭐️"


def send_invoice(checkout: Checkout, bot: Bot, arguments: Arguments) -> Json:
    telegram = checkout.telegram
    if arguments.text("subscription_period"):
        raise bad_request("SUBSCRIPTION_PERIOD_INVALID")
    invoice = _invoice(bot, arguments)
    markup = inline_keyboard(arguments, with_invoice=True)
    chat = telegram.chat_to_write_to(bot, arguments.text("chat_id"))
    telegram.rates.admit(bot.id, chat.id)
    if markup is None:
        price = f"{PAID_SYMBOL}{invoice.total}" if invoice.currency == STARS else f"{invoice.total} {invoice.currency}"
        markup = {"inline_keyboard": [[{"text": f"Pay {price}", "pay": True}]]}
    content = {"invoice": invoice.wire(), "reply_markup": markup}
    message = telegram.post(bot, chat, bot.wire(), content, invoice=invoice)
    telegram.links[invoice.slug] = invoice
    return message.wire


def create_invoice_link(checkout: Checkout, bot: Bot, arguments: Arguments) -> str:
    """Telegram's links are https://t.me/$slug; ours open the same invoice in the sandbox's page."""
    invoice = _invoice(bot, arguments)
    checkout.telegram.links[invoice.slug] = invoice
    return f"{checkout.telegram.options.public_url}/{invoice.slug}"


def answer_pre_checkout_query(checkout: Checkout, bot: Bot, arguments: Arguments) -> bool:
    approved = arguments.flag("ok")
    message = arguments.text("error_message")
    if not approved and not message:
        raise bad_request('parameter "error_message" is required')
    checkout.answer(bot, arguments.text("pre_checkout_query_id"), approved, message)
    return True


def answer_shipping_query(checkout: Checkout, bot: Bot, arguments: Arguments) -> bool:
    """Nothing is shipped here, so no query of this kind was ever asked."""
    arguments.required("shipping_query_id")
    raise bad_request("query is too old and response timeout expired or query ID is invalid")


def refund_star_payment(checkout: Checkout, bot: Bot, arguments: Arguments) -> bool:
    user = checkout.telegram.users.get(arguments.integer("user_id"))
    if user is None or bot.id not in user.known_to | user.started:
        raise bad_request("USER_ID_INVALID" if user is None else "user not found")
    if not (charge_id := arguments.text("telegram_payment_charge_id")):
        raise bad_request("CHARGE_ID_EMPTY")
    charge = checkout.telegram.ledger.charges.get(charge_id)
    if charge is None or charge.bot_id != bot.id or charge.user_id != user.id or charge.currency != STARS:
        raise bad_request("CHARGE_NOT_FOUND")
    if charge.refunded_at is not None:
        raise bad_request("CHARGE_ALREADY_REFUNDED")
    if charge.charged_back_at is not None or bot.stars < charge.amount:
        raise bad_request("BALANCE_TOO_LOW")
    checkout.refund(bot, charge)
    return True


def get_star_transactions(checkout: Checkout, bot: Bot, arguments: Arguments) -> Json:
    offset = arguments.integer("offset", 0, at_least=0)
    limit = arguments.integer("limit", LARGEST_PAGE, at_least=1, at_most=LARGEST_PAGE)
    return {"transactions": checkout.telegram.ledger.page(bot.id, offset, limit)}


def get_my_star_balance(checkout: Checkout, bot: Bot, arguments: Arguments) -> Json:
    return {"amount": bot.stars}


def _invoice(bot: Bot, arguments: Arguments) -> Invoice:
    """The invoice that the arguments describe, if Telegram would take it."""
    title, description = arguments.required("title").strip(), arguments.required("description").strip()
    payload, currency = arguments.required("payload"), arguments.required("currency")
    prices = _prices(arguments)
    if not 1 <= len(title) <= LONGEST_TITLE:
        raise bad_request("INVOICE_TITLE_INVALID" if title else "message must have a title")
    if not 1 <= len(description) <= LONGEST_DESCRIPTION:
        raise bad_request("INVOICE_DESCRIPTION_INVALID" if description else "message must have a description")
    if not 1 <= len(payload.encode()) <= LONGEST_PAYLOAD_BYTES:
        raise bad_request("INVOICE_PAYLOAD_INVALID")
    provider_token = arguments.text("provider_token")
    total = sum(amount for _, amount in prices)
    period = arguments.integer("subscription_period")
    if currency == STARS:
        if provider_token or len(prices) != 1 or _tips_or_shipping(arguments):
            raise bad_request("STARS_INVOICE_INVALID")
        if period and (period != SUBSCRIPTION_PERIOD_S or total > DEAREST_SUBSCRIPTION):
            raise bad_request("SUBSCRIPTION_PERIOD_INVALID" if period != SUBSCRIPTION_PERIOD_S else "AMOUNT_INVALID")
    else:
        if not provider_token:
            raise bad_request("PAYMENT_PROVIDER_INVALID")
        if re.fullmatch(r"[A-Z]{3}", currency) is None:
            raise bad_request("CURRENCY_INVALID")
        if period:
            raise bad_request("SUBSCRIPTION_PERIOD_INVALID")
    if not 1 <= total <= (LARGEST_STARS if currency == STARS else LARGEST_AMOUNT):
        raise bad_request("CURRENCY_TOTAL_AMOUNT_INVALID")
    return Invoice(
        bot_id=bot.id,
        title=title,
        description=description,
        payload=payload,
        currency=currency,
        prices=prices,
        provider_token=provider_token,
        start_parameter=arguments.text("start_parameter"),
        photo_url=arguments.text("photo_url"),
        subscription_period=period,
    )


def _prices(arguments: Arguments) -> tuple[tuple[str, int], ...]:
    prices = arguments.json("prices", "prices")
    if not isinstance(prices, list) or not prices:
        raise bad_request("prices are empty" if prices in (None, []) else "expected an Array of labeled prices")
    return tuple(_price(price) for price in prices)


def _price(price: Any) -> tuple[str, int]:
    if not isinstance(price, dict):
        raise bad_request("can't parse labeled price: expected an Object")
    label, amount = price.get("label"), price.get("amount")
    if not isinstance(label, str) or not label:
        raise bad_request("can't parse labeled price: Can't find field \"label\"")
    if isinstance(amount, str) and re.fullmatch(r"-?\d{1,19}", amount):
        amount = int(amount)
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise bad_request('can\'t parse labeled price: Field "amount" must be of type Number')
    return label, amount


def _tips_or_shipping(arguments: Arguments) -> bool:
    flags = ("is_flexible", "need_shipping_address", "need_name", "need_phone_number", "need_email")
    tips = arguments.integer("max_tip_amount") or arguments.json("suggested_tip_amounts", "suggested tip amounts")
    return bool(tips) or any(arguments.flag(name) for name in flags)
