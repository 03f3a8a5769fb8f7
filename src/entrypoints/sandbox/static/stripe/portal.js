// The portal: a customer's payments.

import { byId, element } from "../element.js";
import { ask } from "../sandbox.js";
import { moment, money } from "../words.js";

const place = byId("portal");
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export function stateOf(payment) {
  if (payment.dispute === "lost") return ["refused", "× Lost in a dispute"];
  if (payment.dispute && !["won", "warning_closed"].includes(payment.dispute)) return ["waiting", "△ Disputed"];
  if (payment.refunded) return ["refused", "↩ Refunded"];
  if (payment.amount_refunded > 0) return ["granted", `✓ Paid, ${money(payment.amount_refunded, payment.currency)} refunded`];
  if (payment.paid) return ["granted", "✓ Paid"];
  if (payment.status === "processing") return ["waiting", "△ On its way"];
  return ["refused", "× Not paid"];
}

function row(payment) {
  const [kind, words] = stateOf(payment);
  return element(
    "tr",
    {},
    element("td", { class: "when", title: moment(payment.created) }, DAY.format(payment.created * 1000)),
    element("td", { class: "what", dir: "auto" }, payment.description || "A payment"),
    element("td", { class: "how" }, element("span", { class: `state ${kind}` }, words)),
    element("td", { class: "amount" }, money(payment.amount, payment.currency)),
  );
}

async function load() {
  let found;
  try {
    found = await ask(`/stripe/portal/${encodeURIComponent(location.pathname.split("/").at(-1))}`);
  } catch (error) {
    place.replaceChildren(element("section", { role: "alert" }, element("h1", {}, error instanceof TypeError ? "The sandbox is not running." : error.message), element("p", { class: "quiet" }, "The sandbox forgets everything when it is started anew."), element("a", { href: "/" }, "Open the chat")));
    return;
  }
  const { business, customer, payments, return_url: returnUrl } = found;
  const heading = (words, attributes = {}) => element("th", { scope: "col", ...attributes }, words);
  place.replaceChildren(
    element(
      "header",
      { class: "portal-head" },
      element("div", { class: "business" }, returnUrl ? element("a", { class: "back", href: returnUrl }, element("span", { class: "arrow", "aria-hidden": "true" }, "←"), `Back to ${business}`) : business, found.livemode ? null : element("span", { class: "mode" }, "Test mode")),
    ),
    element("div", {}, element("h1", { dir: "auto" }, customer.name || "Your payments"), element("p", { class: "quiet" }, [customer.email, customer.id].filter(Boolean).join(" · "))),
    element(
      "section",
      { class: "panel", "aria-labelledby": "payments" },
      element("h2", { id: "payments" }, "Payments"),
      payments.length === 0
        ? element("p", { class: "empty" }, "Nothing was paid yet. What you buy appears here.")
        : element("table", {}, element("thead", {}, element("tr", {}, heading("Date"), heading("What"), heading("State"), heading("Amount", { class: "amount" }))), element("tbody", {}, payments.map(row))),
    ),
    element("p", { class: "foot" }, "The sandbox plays Stripe's customer portal here. No money moves."),
  );
  place.removeAttribute("aria-busy");
}

const news = new EventSource("/sandbox/api/stream");
news.addEventListener("stripe_event", () => load());
news.addEventListener("reset", load);
load();
