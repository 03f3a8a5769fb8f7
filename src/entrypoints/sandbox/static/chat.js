// Draws one conversation.

import { byId, element, formatted } from "./element.js";
import { clock, fullName, money } from "./words.js";

export const keyOf = (botId, chatId, messageId) => `${botId}:${chatId}:${messageId}`;

// `acts`: say(text), press(message, button), pay(view), receipt(charge), charge(chargeId), bot(), viewer().
export function createChat(acts) {
  const log = byId("log");
  let typingUntil = 0;

  function draw(views, ticks) {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    const bot = acts.bot();
    const nodes = [];
    let before = null;
    for (const view of views) {
      if (view.deleted) continue;
      const node = drawMessage(view, ticks, before);
      if (node.dataset.side) before = node.dataset.side;
      else before = null;
      nodes.push(node);
    }
    if (!bot) nodes.splice(0, nodes.length, noBot());
    else if (nodes.length === 0) nodes.push(welcome(bot));
    if (Date.now() < typingUntil) nodes.push(element("p", { class: "typing", "aria-label": `${bot.first_name} is typing` }, element("i"), element("i"), element("i")));
    reconcile(log, nodes);
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  // Leaves alone what did not change, so that only news is read out and focus stays.
  function reconcile(parent, nodes) {
    const held = document.activeElement;
    const heldKey = parent.contains(held) ? [held.closest("[data-id]")?.dataset.id, held.textContent] : null;
    const old = new Map([...parent.children].map((node) => [node.dataset.id, node]));
    const keep = nodes.map((node) => {
      const same = old.get(node.dataset.id);
      return same && node.dataset.id && same.outerHTML === node.outerHTML ? same : node;
    });
    for (const node of [...parent.children]) if (!keep.includes(node)) node.remove();
    keep.forEach((node, index) => {
      if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
    });
    if (heldKey?.[0] && !parent.contains(document.activeElement)) {
      const again = [...parent.querySelectorAll(`[data-id="${CSS.escape(heldKey[0])}"] button`)].find((button) => button.textContent === heldKey[1]);
      again?.focus();
    }
  }

  function drawMessage(view, ticks, before) {
    const { message } = view;
    const id = keyOf(view.bot_id, view.chat_id, message.message_id);
    if (message.successful_payment || message.refunded_payment) return service(view, id);
    const side = message.from?.is_bot ? "in" : "out";
    const stamp = element("span", { class: "stamp" }, message.edit_date ? "edited " : "", clock(message.date), side === "out" ? tick(ticks.get(id)) : null);
    const body = view.invoice ? invoiceBody(view, stamp) : [
      message.forward_origin ? element("p", { class: "forwarded" }, "Forwarded message") : null,
      element("div", { class: "text" }, formatted(message.text ?? "", message.entities, acts.say), stamp),
    ];
    const node = element(
      "div",
      { class: `message ${side}${side === before ? "" : " turn"}${message.reply_markup || view.invoice ? " wide" : ""}` },
      element("div", { class: "bubble" }, body),
      keyboard(view),
    );
    node.dataset.id = id;
    node.dataset.side = side;
    return node;
  }

  function tick(state) {
    if (state === "waiting") return element("span", { class: "tick", role: "img", "aria-label": "on its way to the bot" }, "🕓︎");
    if (state === "failed") return element("span", { class: "tick failed", role: "img", "aria-label": "not delivered" }, "!");
    if (state === "delivered") return element("span", { class: "tick read", role: "img", "aria-label": "delivered to the bot" }, "✓✓");
    return element("span", { class: "tick", role: "img", "aria-label": "sent" }, "✓");
  }

  function invoiceBody(view, stamp) {
    const { invoice } = view;
    return [
      element("p", { class: "invoice-title", dir: "auto" }, invoice.title),
      element("p", { class: "invoice-text", dir: "auto" }, invoice.description),
      element("div", { class: "invoice-foot" }, element("span", { class: "invoice-price" }, money(invoice.total_amount, invoice.currency)), stamp),
    ];
  }

  function keyboard(view) {
    const { message, invoice } = view;
    const rows = message.reply_markup?.inline_keyboard ?? [];
    const mine = (invoice?.receipts ?? []).filter((receipt) => receipt.user_id === acts.viewer().id);
    const drawn = rows.map((row) => element("div", { class: "keyboard-row" }, row.map((button) => key(button, view, mine))));
    if (mine.length > 0) {
      const again = element("button", { type: "button", class: "key", onclick: () => acts.pay(view) }, "Pay once more");
      drawn.splice(1, 0, element("div", { class: "keyboard-row" }, again));
    }
    return drawn.length > 0 ? element("div", { class: "keyboard" }, drawn) : null;
  }

  function key(button, view, mine) {
    if (button.pay && mine.length > 0) {
      return element("button", { type: "button", class: "key", onclick: () => acts.charge(mine.at(-1).charge_id) }, "Receipt");
    }
    if (button.pay) {
      const label = `Pay ${money(view.invoice.total_amount, view.invoice.currency)}`;
      return element("button", { type: "button", class: "key pay", onclick: () => acts.pay(view) }, button.text.startsWith("Pay ") && !/[a-z]{4}/i.test(button.text.slice(4)) ? label : button.text);
    }
    if (button.url) {
      const safe = /^https?:/i.test(button.url);
      return element("a", { class: "key", href: safe ? button.url : undefined, target: "_blank", rel: "noopener noreferrer" }, button.text, element("span", { class: "mark", "aria-hidden": "true" }, "↗"));
    }
    const busy = acts.isPressed(view, button);
    return element("button", { type: "button", class: "key", dir: "auto", "aria-busy": busy ? "true" : undefined, onclick: () => acts.press(view, button) }, button.text);
  }

  function service(view, id) {
    const { message } = view;
    const payment = message.successful_payment ?? message.refunded_payment;
    const bot = acts.bot();
    const receipt = element("button", { type: "button", onclick: () => acts.charge(payment.telegram_payment_charge_id) }, "Receipt");
    const sum = money(payment.total_amount, payment.currency);
    const words = message.successful_payment
      ? [`You paid ${sum} to ${bot?.first_name ?? "the bot"}. `, receipt]
      : [`${bot?.first_name ?? "The bot"} refunded ${sum}. `, receipt];
    const node = element("p", { class: "pill" }, words);
    node.dataset.id = id;
    return node;
  }

  function welcome(bot) {
    const start = element("button", { type: "button", class: "primary", onclick: () => acts.say("/buy") }, "Send /buy");
    const node = element(
      "div",
      { class: "welcome" },
      element("h2", {}, "Nothing here costs money"),
      element("p", {}, `This is Telegram as ${bot.first_name} sees it, on your own machine. Buy something and watch what happens behind the chat.`),
      start,
      element("button", { type: "button", class: "plain", onclick: () => acts.say("/start") }, "Send /start first"),
    );
    node.dataset.id = "welcome";
    return node;
  }

  function noBot() {
    const node = element(
      "div",
      { class: "welcome" },
      element("h2", {}, "No bot has called yet"),
      element("p", {}, "Start the service with this setting. It appears here with its first call."),
      element("code", {}, `TELEGRAM_API_BASE=${location.origin}`),
    );
    node.dataset.id = "no-bot";
    return node;
  }

  return {
    draw,
    typing(seconds) { typingUntil = Date.now() + seconds * 1000; },
    toEnd() { log.scrollTop = log.scrollHeight; },
    nameOf: fullName,
  };
}
