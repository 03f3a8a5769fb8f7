# What the bot says. Short and plain; no exclamation marks; no jokes about money.
# Commands (/buy) and the tags <b> and <code> stay as they are in every language.

## Dates and amounts

date = { $day } { $month ->
        [1] January
        [2] February
        [3] March
        [4] April
        [5] May
        [6] June
        [7] July
        [8] August
        [9] September
        [10] October
        [11] November
       *[12] December
    } { $year }
moment = { $date }, { $time } UTC
either = { $first } or { $second }

## Buttons

button-buy = Buy a plan
button-all-plans = All plans
button-stars = Telegram Stars · { $price }
button-telegram = Telegram Pay · { $price }
button-stripe = Stripe · { $price }
button-pay = Pay { $price }
button-cancel = Cancel
button-open-chat = Open the private chat
button-portal = Receipts and cards
button-open-portal = Open my page at Stripe

## Answers to commands

welcome =
    <b>Welcome.</b> Here you buy access: choose a plan, pay, and it opens at once.

    /plans shows what there is, /status what you have, /help the rest.
help =
    <b>What you can send</b>

    /plans – what there is, and what it costs
    /buy – choose a plan and pay
    /status – what you have, and until when
    /terms – the terms of sale
    /paysupport – help with a payment
not-understood = Only commands are understood here. /buy lets you choose a plan, /status shows what you have, /help the rest.
plans = <b>Plans</b>
plan =
    <b>{ $title }</b> · { $prices }
    { $description }
plan-short = <b>{ $title }</b> · { $prices }
choose-plan = <b>Choose a plan</b>
and-more =
    { $count ->
        [one] One more is not shown here.
       *[other] { $count } more are not shown here.
    }
choose-method =
    <b>{ $title }</b>
    { $description }

    How would you like to pay?
nothing-for-sale = Nothing is for sale at the moment. What you have stays as it is: /status shows it.
status = <b>What you have</b>
status-until = <b>{ $plan }</b>, until { $end }
status-for-life = <b>{ $plan }</b>, for life
status-nothing = You have no plan at the moment.
status-waiting = Paid, and waiting for a person to look at it: { $price }. Questions: /paysupport
terms =
    <b>Terms of sale</b>

    You buy access to a plan, for the time and at the price that you are shown before you pay. It opens as soon as the payment has gone through. What you pay here in Telegram is paid once: nothing renews by itself.

    A payment that can't be matched to what was offered is not kept in silence: a person looks at it, and opens access or returns the money. When money is returned, the access that it paid for ends.

    Telegram's own support can't help with what is bought here. /paysupport can.
paysupport =
    <b>Help with a payment</b>

    Write to { $contact }. Say what you paid and when, and give your number: <code>{ $user }</code>

    Never send card numbers or passwords. Telegram's own support can't help with what is bought here.
paysupport-without-contact =
    <b>Help with a payment</b>

    A payment that can't be matched to what was offered is looked at by a person without your asking, and you are told here what became of it. /status shows what is waiting.

    Whoever runs this bot can find your payments by your number: <code>{ $user }</code>
ask-in-private = In a group others could see what you buy. Open the private chat with this bot and go on there.

checkout =
    <b>{ $title }</b> · { $price }
    { $description }

    You pay on a page of Stripe's. Access opens as soon as the payment has gone through, and you are told so here.
portal = Stripe keeps your receipts and the cards that you pay with. The button leads to your own page there; it works for a short while, and for you alone: don't pass it on.

## A purchase that can't begin

this-plan = this plan
declined = That did not work, and nothing was charged. Try again in a minute; if it goes on, /paysupport helps.
declined-unknown_plan = There is no plan of that name. /plans shows what there is.
declined-method_unavailable = This plan can't be paid that way at the moment. /buy shows what can.
declined-already_entitled = You have <b>{ $plan }</b> already, until { $end }. It can be bought again shortly before it ends.
declined-already_entitled-for-life = You have <b>{ $plan }</b> already, for life. There is nothing to buy again.
declined-provider_unavailable = Stripe can't be reached at the moment. Nothing was charged. Try again in a minute.
declined-rate_limited =
    Too many purchases were begun within a minute. Nothing was charged. Try again in { $seconds ->
        [one] one second
       *[other] { $seconds } seconds
    }.

## What became of money

confirmation =
    { $price } paid. Thank you.
    <b>{ $plan }</b>, until { $end }.
confirmation-for-life =
    { $price } paid. Thank you.
    <b>{ $plan }</b>, for life.
confirmation-extended =
    { $price } paid. Thank you.
    <b>{ $plan }</b>, now until { $end }. The new time begins on { $start }, when the time you had ends.
confirmation-extended-for-life =
    { $price } paid. Thank you.
    <b>{ $plan }</b>, for life from { $start } on.
payment-held =
    We received { $price }, but it opened nothing, because { $reason }.

    Your money is not lost. A person will look at it and open access or return it. Questions: /paysupport
payment-held-for =
    We received { $price } for <b>{ $plan }</b>, but it opened nothing, because { $reason }.

    Your money is not lost. A person will look at it and open access or return it. Questions: /paysupport
payment-returning =
    We received { $price }, but it opened nothing, because { $reason }.

    Your money is on its way back to you. Questions: /paysupport
payment-returning-for =
    We received { $price } for <b>{ $plan }</b>, but it opened nothing, because { $reason }.

    Your money is on its way back to you. Questions: /paysupport
payment-returned = We returned { $price } to you. Questions: /paysupport
payment-returned-for = We returned { $price } for <b>{ $plan }</b> to you. Questions: /paysupport
payment-returned-ended = We returned { $price } to you. The access that it paid for has ended. Questions: /paysupport
payment-returned-for-ended = We returned { $price } for <b>{ $plan }</b> to you. The access that it paid for has ended. Questions: /paysupport
part-returned = We returned { $price } of a payment to you. { $left } of it stay paid, and what it opened stays open. Questions: /paysupport
part-returned-for = We returned { $price } of what you paid for <b>{ $plan }</b>. { $left } of it stay paid, and your access stays as it is. Questions: /paysupport
access-suspended =
    Your bank has taken back the payment for <b>{ $plan }</b> until a dispute about it is decided. Access is interrupted until then. If the payment stands, it goes on with the time that was left.

    If the dispute is a mistake, tell your bank. Questions: /paysupport
access-restored =
    The dispute about your payment is over, and access is open again.
    <b>{ $plan }</b>, until { $end }.
access-restored-for-life =
    The dispute about your payment is over, and access is open again.
    <b>{ $plan }</b>, for life.
access-given = You have been given <b>{ $plan }</b>, until { $end }. There is nothing to pay.
access-given-for-life = You have been given <b>{ $plan }</b>, for life. There is nothing to pay.
access-given-extended =
    You have been given more time: <b>{ $plan }</b>, now until { $end }. There is nothing to pay.
    The new time begins on { $start }, when the time you had ends.
access-given-extended-for-life = You have been given <b>{ $plan }</b>, for life from { $start } on. There is nothing to pay.
access-withdrawn = Some of your time of <b>{ $plan }</b> was taken back. /status shows what you have. Questions: /paysupport
access-withdrawn-ended = Your access to <b>{ $plan }</b> was ended. Questions: /paysupport

# Each follows on "because".
held = it could not be matched to what was offered
held-bad_payload = its invoice was not issued by this bot
held-unknown_invoice = its invoice is not known here
held-wrong_user = the invoice was made out to somebody else
held-plan_mismatch = the invoice does not match its plan
held-currency_mismatch = it is not in the currency that was asked for
held-amount_mismatch = it is not the amount that was asked for
held-stale_invoice = the invoice had expired
held-invoice_already_paid = the invoice had been paid already
held-invoice_cancelled = the invoice had been cancelled
held-plan_withdrawn = the plan is no longer for sale
held-price_changed = the price has changed since the invoice
held-already_entitled = you have this plan for life already
held-disabled = payments are switched off at the moment
held-unavailable = it could not be checked in time
held-unprocessable = it could not be processed
held-unknown_to_provider = the provider has no record of it

## Why a payment may not be made (plain text, shown by Telegram beside the Pay button)

refused-bad_payload = This invoice was not issued by this bot. Nothing was charged. Send /buy for a new one.
refused-unknown_invoice = This invoice is not known here any more. Nothing was charged. Send /buy for a new one.
refused-wrong_user = This invoice was made out to somebody else. Nothing was charged. Send /buy to the bot for your own.
refused-plan_mismatch = This invoice does not match its plan. Nothing was charged. Send /buy for a new one.
refused-currency_mismatch = This is not the currency of the invoice. Nothing was charged. Send /buy for a new one.
refused-amount_mismatch = This is not the amount of the invoice. Nothing was charged. Send /buy for a new one.
refused-stale_invoice = This invoice has expired. Nothing was charged. Send /buy for a new one.
refused-invoice_already_paid = This invoice has been paid already. Nothing was charged now. Send /status to see what you have.
refused-invoice_cancelled = This invoice was cancelled. Nothing was charged. Send /buy for a new one.
refused-plan_withdrawn = This plan is no longer for sale. Nothing was charged. Send /plans to see what is.
refused-price_changed = The price has changed since this invoice. Nothing was charged. Send /buy for the new price.
refused-already_entitled = You have this plan already. Nothing was charged. Send /status to see until when.
refused-disabled = Payments are switched off at the moment. Nothing was charged. Try again later.
refused-unavailable = The payment could not be checked in time. Nothing was charged. Try again in a minute.
refused-unprocessable = The payment could not be processed. Nothing was charged. Send /buy for a new invoice.
refused-unknown_to_provider = The provider has no record of this payment. Nothing was charged. Send /buy for a new invoice.

## What is shown over the chat when a button was pressed (plain text, at most 200 characters)

toast-not_yours = This button was made for somebody else. Send /buy to the bot in your private chat.
toast-outdated = This button is out of date. Send /buy for a new menu.
toast-invoice_sent = Your invoice is on its way.
toast-cancelled = Cancelled. Nothing was charged.
toast-not_cancelled = This invoice can't be cancelled any more: it was paid or cancelled before, or has expired.

## The command menu (plain text, at most 256 characters)

command-plans = What there is, and what it costs
command-buy = Choose a plan and pay
command-status = What you have, and until when
command-help = What you can send
command-terms = The terms of sale
command-paysupport = Help with a payment
