// The card page: what is bought, and how it is paid.

import { byId, element } from "../element.js";
import { ask } from "../sandbox.js";
import { moment, money } from "../words.js";

const sessionId = location.pathname.split("/").at(-1);
const place = byId("checkout");
const REDIRECT_AFTER_MS = 700;

// Stripe's own test cards. Any other number pays.
const DECLINING = {
  4000000000000002: "card_declined",
  4000000000009995: "insufficient_funds",
  4000000000000069: "expired_card",
  4000000000000127: "incorrect_cvc",
  4000000000000119: "processing_error",
};

let shown = null;
let leaving = false;

async function load() {
  let found;
  try {
    found = await ask(`/stripe/checkout/${encodeURIComponent(sessionId)}`);
  } catch (error) {
    const words = error instanceof TypeError ? "The sandbox is not running." : error.message;
    return place.replaceChildren(element("section", { class: "nothing", role: "alert" }, element("h1", {}, words), element("p", { class: "quiet" }, "The sandbox forgets everything when it is started anew. Begin again in the chat."), element("a", { href: "/" }, "Open the chat")));
  }
  if (leaving || shown === stateOf(found)) return;
  shown = stateOf(found);
  document.title = `Pay ${found.business} · Sandbox`;
  place.replaceChildren(order(found), element("section", { class: "payment", "aria-label": "Payment" }, element("div", { class: "payment-body" }, found.session.status === "open" ? form(found) : closed(found), foot(found))));
  place.removeAttribute("aria-busy");
}

// A decline leaves the session as it was, and the form with what was typed.
const stateOf = ({ session, intent_status }) => `${session.status} ${session.payment_status} ${session.status === "complete" ? intent_status : ""}`;
const sumOf = ({ session }) => money(session.amount_total, session.currency);
const target = (url, session) => url?.replaceAll("{CHECKOUT_SESSION_ID}", session.id);

function order(found) {
  const { session, lines, business } = found;
  const name = [element("span", { class: "arrow", "aria-hidden": "true" }, "←"), business];
  const back = session.cancel_url && session.status === "open"
    ? element("a", { class: "back", href: session.cancel_url, "aria-label": `Back to ${business}` }, name)
    : business;
  return element(
    "section",
    { class: "order", "aria-label": "What you buy" },
    element(
      "div",
      { class: "order-body" },
      element("div", { class: "business" }, back, session.livemode ? null : element("span", { class: "mode" }, "Test mode")),
      element("div", { class: "order-head" }, element("p", { class: "quiet", dir: "auto" }, `Pay ${business}`), element("p", { class: "total" }, sumOf(found))),
      element("ul", { class: "lines" }, lines.map((line) => element(
        "li",
        {},
        element("span", { dir: "auto" }, line.description),
        element("span", { class: "amount" }, money(line.amount_total, line.currency)),
        line.quantity > 1 ? element("span", { class: "quiet" }, `${line.quantity} × ${money(line.amount_total / line.quantity, line.currency)}`) : null,
      ))),
      lines.length > 1 ? element("p", { class: "sum" }, element("span", {}, "Total due"), element("span", {}, sumOf(found))) : null,
    ),
  );
}

function form(found) {
  const { session } = found;
  const input = (attributes) => element("input", { required: true, ...attributes });
  const email = input({ type: "email", name: "email", value: session.customer_details?.email ?? "buyer@example.com", autocomplete: "off" });
  const number = input({ name: "number", value: "4242 4242 4242 4242", inputmode: "numeric", maxlength: 23, "aria-label": "Card number", autocomplete: "off" });
  const expiry = input({ name: "expiry", value: "12 / 34", "aria-label": "Expiry, month and year", inputmode: "numeric", maxlength: 7, autocomplete: "off" });
  const cvc = input({ name: "cvc", value: "123", "aria-label": "CVC", inputmode: "numeric", maxlength: 4, autocomplete: "off" });
  const name = input({ name: "name", value: session.customer_details?.name ?? "Jenny Rosen", autocomplete: "off", dir: "auto" });
  const byCard = element("input", { type: "radio", name: "method", value: "card", checked: true });
  const byBank = element("input", { type: "radio", name: "method", value: "bank" });
  const late = element(
    "select",
    { name: "late", "aria-label": "The money" },
    element("option", { value: "succeeded" }, "It comes after 10 seconds"),
    element("option", { value: "failed" }, "It fails after 10 seconds"),
    element("option", { value: "" }, "It waits until you decide"),
  );
  const said = element("div", { class: "said", "aria-live": "assertive" });
  const pay = element("button", { type: "submit", class: "primary" }, `Pay ${sumOf(found)}`);
  number.addEventListener("input", () => {
    const digits = number.value.replace(/\D/g, "").slice(0, 19);
    number.value = digits.replace(/(.{4})(?=.)/g, "$1 ");
    number.removeAttribute("aria-invalid");
  });

  const doing = (path, body) => settle({ found, pay, said, number, path, body: { session_id: session.id, email: email.value, name: name.value, last4: number.value.replace(/\D/g, "").slice(-4) || "4242", ...body } });
  const submitted = (event) => {
    event.preventDefault();
    if (byBank.checked) return doing("/stripe/pay-late", { outcome: late.value || null, after_s: 10 });
    const code = DECLINING[number.value.replace(/\D/g, "")];
    return code ? doing("/stripe/decline", { code }) : doing("/stripe/pay", {});
  };
  for (const radio of [byCard, byBank]) {
    radio.addEventListener("change", () => {
      for (const one of [number, expiry, cvc, name]) one.disabled = byBank.checked;
      said.replaceChildren();
    });
  }

  return element(
    "form",
    { class: "form", onsubmit: submitted },
    element("h1", {}, "Payment"),
    element("label", { class: "field" }, element("span", {}, "Email"), email),
    element(
      "div",
      { class: "methods-frame" },
      element("span", { id: "method-label", class: "field" }, element("span", {}, "Payment method")),
      element(
        "div",
        { class: "methods", role: "radiogroup", "aria-labelledby": "method-label" },
        element(
          "div",
          { class: "method" },
          element("label", {}, byCard, "Card", element("small", {}, "a test card is filled in")),
          element(
            "div",
            { class: "method-body" },
            element("div", { class: "field" }, element("span", {}, "Card information"), element("div", { class: "joined" }, number, expiry, cvc)),
            element("label", { class: "field" }, element("span", {}, "Name on card"), name),
          ),
        ),
        element(
          "div",
          { class: "method" },
          element("label", {}, byBank, "Bank debit", element("small", {}, "the money comes later")),
          element("div", { class: "method-body" }, element("label", { class: "field" }, element("span", {}, "The money"), late, element("small", { class: "quiet" }, "The checkout completes at once, unpaid. You can also decide in the chat page, under Be unkind."))),
        ),
      ),
    ),
    said,
    pay,
    others(found, doing),
  );
}

function others(found, doing) {
  const { session } = found;
  const row = (words, about, attributes) => element("li", {}, element(attributes.href ? "a" : "button", { type: attributes.href ? undefined : "button", ...attributes }, element("b", {}, words), element("small", {}, about)));
  return element(
    "details",
    { class: "others" },
    element("summary", {}, "It may go otherwise"),
    element(
      "ul",
      {},
      row("The card is declined", "Also with 4000 0000 0000 0002. You can try again.", { onclick: () => doing("/stripe/decline", { code: "card_declined" }) }),
      row("Too little money on it", "Also with 4000 0000 0000 9995.", { onclick: () => doing("/stripe/decline", { code: "insufficient_funds" }) }),
      session.cancel_url ? row("Go back without paying", "The session stays open until it expires.", { href: session.cancel_url }) : null,
      row("The time is over", `Otherwise on ${moment(session.expires_at)}.`, { onclick: () => ask("/stripe/expire", { session_id: session.id }).then(load, load) }),
    ),
  );
}

async function settle({ found, pay, said, number, path, body }) {
  pay.disabled = true;
  pay.textContent = "Processing…";
  said.replaceChildren();
  const again = () => {
    pay.disabled = false;
    pay.textContent = `Pay ${sumOf(found)}`;
  };
  try {
    leaving = path !== "/stripe/decline";
    const outcome = await ask(path, body);
    if (outcome.status === "declined") {
      number.setAttribute("aria-invalid", "true");
      said.replaceChildren(note("refused", "×", `${outcome.error_message} Nothing was paid; try another card.`));
      return again();
    }
    pay.textContent = outcome.status === "paid" ? "✓ Paid" : "✓ Handed to the bank";
    pay.classList.add("done");
    setTimeout(() => location.assign(outcome.redirect), REDIRECT_AFTER_MS);
  } catch (error) {
    leaving = false;
    said.replaceChildren(note("refused", "×", error instanceof TypeError ? "The sandbox is not running. Nothing was paid." : `Nothing was paid: ${error.message}.`));
    again();
    load();
  }
}

const note = (kind, mark, words) => element("p", { class: `note ${kind}`, role: "status" }, element("span", { "aria-hidden": "true" }, mark), element("span", {}, words));

function closed(found) {
  const { session } = found;
  const on = (url, words) => (url ? element("a", { class: "primary", href: target(url, session) }, words) : null);
  const didNotCome = session.status === "complete" && session.payment_status !== "paid" && found.intent_status !== "processing";
  const [title, state, way] = session.status === "expired"
    ? ["This checkout has expired", note("refused", "×", `Nothing was paid. Go back and start again to buy ${found.lines[0]?.description ?? "it"}.`), on(session.cancel_url, `Back to ${found.business}`)]
    : session.payment_status === "paid"
      ? ["This is paid", note("granted", "✓", `${sumOf(found)} was paid. It cannot be paid again here.`), on(session.success_url, `Go to ${found.business}`)]
      : didNotCome
        ? ["The payment failed", note("refused", "×", `The bank did not pay ${sumOf(found)}. Go back and start again.`), on(session.cancel_url, `Back to ${found.business}`)]
        : ["The payment is on its way", note("waiting", "△", `${sumOf(found)} was handed to the bank and is not there yet. It cannot be paid again here.`), on(session.success_url, `Go to ${found.business}`)];
  return element("div", { class: "closed" }, element("h1", {}, title), state, way);
}

function foot({ session }) {
  return element("p", { class: "foot" }, "The sandbox plays Stripe Checkout here: no bank is asked, no money moves. Do not type a real card number.", session.livemode ? " Live mode." : "");
}

// Somebody else may pay or expire it meanwhile.
const news = new EventSource("/sandbox/api/stream");
news.addEventListener("stripe_event", (event) => {
  if (JSON.parse(event.data).event?.data?.object?.id === sessionId) load();
});
news.addEventListener("reset", load);
load();
