// What the operator of the Stripe account and the banks can do with the latest payment.

import { byId, element } from "../element.js";
import { ask } from "../sandbox.js";
import { money } from "../words.js";

const ENDED = ["won", "lost", "warning_closed"];
const WAIT_MS = 150;

export function createDesk(complain) {
  const place = byId("stripe-payment");
  let timer = 0;
  let drawn = "";

  // Events come in bursts.
  function soon() {
    clearTimeout(timer);
    timer = setTimeout(() => draw().catch(() => {}), WAIT_MS);
  }

  async function draw() {
    const [{ payments }, { events }, { endpoints }] = await Promise.all([ask("/stripe/ledger"), ask("/stripe/events?limit=60"), ask("/stripe/webhook")]);
    drawEndpoint(endpoints);
    const payment = payments.findLast((one) => one.paid || one.status === "processing") ?? payments.at(-1);
    const own = payment ? events.filter((one) => concerns(one, payment)) : [];
    const now = JSON.stringify([payment, own.map((one) => [one.event_id, one.deliveries.map((delivery) => delivery.state)])]);
    if (now === drawn || place.contains(document.activeElement) && document.activeElement.tagName === "INPUT") return;
    drawn = now;
    place.replaceChildren(...(payment ? desk(payment, own) : [element("p", { class: "quiet" }, "What is paid by card page can be refunded and disputed here.")]));
  }

  function drawEndpoint(endpoints) {
    const urls = [...new Set(endpoints.map((one) => one.url))];
    byId("stripe-endpoint").replaceChildren(...(urls.length > 0 ? ["Endpoint ", element("span", { class: "mono" }, urls.join(", "))] : [element("span", { class: "waiting" }, "△ no endpoint is set, so nobody is told")]));
  }

  const concerns = (one, payment) => {
    const thing = one.event?.data?.object ?? {};
    return [thing.id, thing.charge, thing.payment_intent].some((id) => id && [payment.payment_intent, payment.charge, payment.session_id].includes(id)) && !one.forged;
  };

  function desk(payment, own) {
    const sum = (amount) => money(amount, payment.currency);
    const act = (words, path, body, danger = false) => element("button", { type: "button", class: danger ? "plain danger" : "plain", onclick: () => complain(ask(path, body)).then(soon) }, words);
    const dispute = (words, step, danger = false) => act(words, "/stripe/dispute", { id: payment.charge, step }, danger);
    const left = payment.amount - payment.amount_refunded;
    const rows = [];

    if (payment.status === "processing") {
      const late = (words, outcome) => act(words, "/stripe/settle-late", { session_id: payment.session_id, outcome });
      rows.push([late("The money comes", "succeeded"), late("The money does not come", "failed")]);
    }
    if (payment.pending_refund) {
      const settle = (words, outcome) => act(words, "/stripe/settle-refund", { refund_id: payment.pending_refund, outcome });
      rows.push([settle("The refund goes through", "succeeded"), settle("The refund fails", "failed")]);
    }
    if (payment.paid && left > 0 && payment.refundable) {
      const part = element("input", { type: "number", "aria-label": "How much to refund, in the smallest unit", min: "1", max: left, value: Math.max(1, Math.floor(left / 5)), step: "1" });
      const refundPart = element("button", { type: "button", class: "plain danger", onclick: () => complain(ask("/stripe/refund", { id: payment.charge, amount: Number(part.value) })).then(soon) }, "Refund a part:");
      rows.push([act(`Refund ${sum(left)}`, "/stripe/refund", { id: payment.charge }, true), refundPart, part]);
    }
    if (payment.paid) rows.push(steps(payment, dispute));
    if (own.length > 0) {
      const ids = own.map((one) => one.event_id);
      const held = own.filter((one) => one.deliveries.some((delivery) => delivery.state === "held")).map((one) => one.event_id);
      rows.push([
        act("Send its events again", "/stripe/resend", { event_ids: ids }),
        act("the other way round", "/stripe/resend", { event_ids: [...ids].reverse() }),
        ...(held.length > 0 ? [act(`Release ${held.length} held back`, "/stripe/release", { event_ids: held }), act("the other way round", "/stripe/release", { event_ids: [...held].reverse() })] : []),
      ]);
    }
    const [kind, words] = state(payment, sum);
    return [
      element("p", { class: "facts" }, element("b", {}, sum(payment.amount)), element("span", { dir: "auto" }, payment.description || "a payment"), element("span", { class: kind }, words)),
      ...rows.filter((row) => row.length > 0).map((row) => element("div", { class: "stripe-acts" }, row)),
    ];
  }

  function steps(payment, dispute) {
    const status = payment.dispute;
    if (!status || ENDED.includes(status)) return payment.refunded ? [] : [dispute("Dispute it", "open", true), dispute("Only inquire", "inquiry")];
    if (status.startsWith("warning")) return [dispute("Close the inquiry", "close"), dispute("Make it a chargeback", "escalate", true)];
    return [
      ...(payment.funds_withdrawn ? [] : [dispute("Withdraw the money", "withdraw", true)]),
      dispute("The business wins", "win"),
      dispute("The business loses", "lose", true),
    ];
  }

  function state(payment, sum) {
    if (payment.dispute === "lost") return ["refused", "× lost in a dispute"];
    if (payment.dispute && !ENDED.includes(payment.dispute)) return ["waiting", `△ ${payment.dispute.startsWith("warning") ? "inquired about" : "disputed"}${payment.funds_withdrawn ? ", the money is withdrawn" : ""}`];
    if (payment.refunded) return ["refused", "↩ refunded"];
    if (payment.amount_refunded > 0) return ["granted", `✓ paid, ${sum(payment.amount_refunded)} refunded`];
    if (payment.paid) return ["granted", payment.dispute === "won" ? "✓ paid, dispute won" : "✓ paid"];
    if (payment.status === "processing") return ["waiting", "△ on its way"];
    return ["refused", "× not paid"];
  }

  return { soon };
}
