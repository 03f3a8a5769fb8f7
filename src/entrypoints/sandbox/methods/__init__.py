"""The methods of the Bot API that the sandbox knows, by their lower-case names."""

from collections.abc import Callable
from typing import Any

from entrypoints.sandbox.arguments import Arguments
from entrypoints.sandbox.checkout import Checkout
from entrypoints.sandbox.methods import messages, payments, profile, webhook
from entrypoints.sandbox.people import Bot

Method = Callable[[Checkout, Bot, Arguments], Any]

NAMES: dict[str, Method] = {
    name.lower(): method
    for name, method in {
        "getMe": profile.get_me,
        "setMyCommands": profile.set_my_commands,
        "getMyCommands": profile.get_my_commands,
        "deleteMyCommands": profile.delete_my_commands,
        "sendMessage": messages.send_message,
        "sendChatAction": messages.send_chat_action,
        "editMessageText": messages.edit_message_text,
        "editMessageReplyMarkup": messages.edit_message_reply_markup,
        "deleteMessage": messages.delete_message,
        "answerCallbackQuery": messages.answer_callback_query,
        "sendInvoice": payments.send_invoice,
        "createInvoiceLink": payments.create_invoice_link,
        "answerPreCheckoutQuery": payments.answer_pre_checkout_query,
        "answerShippingQuery": payments.answer_shipping_query,
        "refundStarPayment": payments.refund_star_payment,
        "getStarTransactions": payments.get_star_transactions,
        "getMyStarBalance": payments.get_my_star_balance,
        "setWebhook": webhook.set_webhook,
        "deleteWebhook": webhook.delete_webhook,
        "getWebhookInfo": webhook.get_webhook_info,
    }.items()
}
