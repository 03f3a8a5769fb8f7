// The payment sheet and the receipt.

import { byId, element } from "./element.js";
import { ask } from "./sandbox.js";
import { fullName, moment, money } from "./words.js";

const DEADLINE_S = 10;

function sheet(title, ...body) {
  const dialog = byId("sheet");
  const close = element("button", { type: "button", class: "sheet-close", "aria-label": "Close", onclick: () => dialog.close() }, "×");
  const heading = element("h2", { id: "sheet-title", dir: "auto" }, title);
  dialog.replaceChildren(element("div", { class: "sheet-body" }, element("div", { class: "sheet-head" }, heading, close), ...body));
  if (!dialog.open) dialog.showModal();
  return dialog;
}

const row = (name, value, mono = false) => [element("dt", {}, name), element("dd", mono ? { class: "mono" } : {}, value)];
const note = (kind, mark, words) => element("p", { class: `note ${kind}`, role: "status" }, element("span", { "aria-hidden": "true" }, mark), element("span", {}, words));

// `how`: {payer, faults, message_id?, chat_id?, bot?, link?, nameOf(userId), paid(outcome)}
export function openPayment(invoice, how) {
  const price = money(invoice.total_amount, invoice.currency);
  const stars = invoice.currency === "XTR";
  const payer = how.payer;
  const enough = !stars || payer.stars >= invoice.total_amount;
  const pay = element("button", { type: "button", class: "primary", disabled: !enough }, `Pay ${price}`);
  const cancel = element("button", { type: "button", class: "plain", onclick: () => byId("sheet").close() }, "Cancel");
  const outcome = element("div", { "aria-live": "polite" });
  const facts = element(
    "dl",
    { class: "rows" },
    row("Paid by", fullName(payer)),
    stars ? row("Balance", money(payer.stars, "XTR")) : [],
    invoice.prices.length > 1 ? invoice.prices.map((part) => row(part.label, money(part.amount, invoice.currency))) : [],
  );
  const card = stars ? null : element(
    "fieldset",
    { class: "card", "aria-label": "Card, a mock" },
    element("label", { class: "wide" }, "Card number (a mock, nothing is charged)", element("input", { value: "4242 4242 4242 4242", class: "mono", inputmode: "numeric" })),
    element("label", {}, "Valid until", element("input", { value: "12 / 34", class: "mono" })),
    element("label", {}, "CVC", element("input", { value: "123", class: "mono" })),
  );
  const changed = forged(how.faults, how.nameOf);
  sheet(
    invoice.title,
    element("p", { class: "quiet", dir: "auto" }, invoice.description),
    element("p", { class: "sheet-amount" }, price),
    facts,
    card,
    changed ? note("waiting", "△", changed) : null,
    enough ? null : note("waiting", "△", `${fullName(payer)} has too few Stars.`),
    outcome,
    element("div", { class: "sheet-actions" }, pay, cancel),
  );
  if (enough) pay.focus();

  pay.addEventListener("click", async () => {
    pay.disabled = true;
    const started = Date.now();
    const wait = setInterval(() => {
      const seconds = Math.round((Date.now() - started) / 1000);
      if (seconds >= 1) outcome.replaceChildren(note("waiting", "…", `Asking the bot whether this may be paid: ${seconds} of ${DEADLINE_S} seconds.`));
    }, 250);
    pay.textContent = "Asking the bot…";
    try {
      const { message_id, chat_id, bot, link } = how;
      const result = await ask("/pay", { user_id: payer.id, message_id, chat_id, bot, link });
      if (result.status === "paid") {
        byId("sheet").close();
        how.paid(result);
        return;
      }
      const because = result.error_message === "BALANCE_TOO_LOW" ? "The payer has too few Stars." : result.error_message;
      outcome.replaceChildren(
        result.status === "refused"
          ? note("refused", "×", because)
          : note("refused", "×", "The bot did not answer within 10 seconds. Nothing was paid."),
      );
    } catch (error) {
      outcome.replaceChildren(note("refused", "×", `Not paid: ${error.message}`));
    } finally {
      clearInterval(wait);
      pay.disabled = false;
      pay.textContent = "Try again";
    }
  });
}

function forged(faults, nameOf) {
  const changes = [];
  if (faults.pay_as_user) changes.push(`${nameOf(faults.pay_as_user)} pays`);
  if (faults.pay_amount !== null && faults.pay_amount !== undefined) changes.push(`the amount becomes ${faults.pay_amount.toLocaleString("en")}`);
  if (faults.skip_pre_checkout) changes.push("the bot is not asked first");
  return changes.length > 0 ? `Unkind: ${changes.join(", ")}.` : "";
}

export function openReceipt(charge, payer, refunded) {
  const sum = money(charge.amount, charge.currency);
  const copy = element("button", { type: "button", class: "plain", onclick: async () => {
    await navigator.clipboard.writeText(charge.charge_id);
    copy.textContent = "Copied";
  } }, "Copy charge id");
  const act = element("button", { type: "button", class: "plain danger", onclick: async () => {
    act.disabled = true;
    try {
      await ask("/refund", { charge_id: charge.charge_id });
      byId("sheet").close();
      refunded();
    } catch (error) {
      act.replaceWith(note("refused", "×", error.message));
    }
  } }, `Refund ${sum} to ${fullName(payer)}`);
  sheet(
    "Receipt",
    element("p", { class: "sheet-amount" }, sum),
    charge.refunded
      ? note("refused", "↩", `Refunded on ${moment(charge.refunded_at)}`)
      : note("granted", "✓", `Paid on ${moment(charge.date)}`),
    element(
      "dl",
      { class: "rows" },
      row("Paid by", fullName(payer)),
      row("Charge", charge.charge_id, true),
      row("Provider's charge", charge.provider_charge_id, true),
      row("Payload", charge.payload, true),
      charge.pre_checkout === "skipped" ? row("Pre-checkout", "skipped") : [],
    ),
    element("div", { class: "sheet-actions" }, copy, charge.refunded ? null : act),
  );
}

export function openNotice(title, words) {
  const ok = element("button", { type: "button", class: "primary", onclick: () => byId("sheet").close() }, "OK");
  sheet(title, element("p", {}, words), ok);
  ok.focus();
}
