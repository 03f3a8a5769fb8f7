// The live list of updates and calls, and what the service says of the viewer.

import { byId, element } from "./element.js";
import { ask } from "./sandbox.js";
import { duration, exactClock, money } from "./words.js";

const MOST_EVENTS = 300;

export function createBehind() {
  const list = byId("events");
  const events = new Map();
  let filter = "";

  function put(kind, data) {
    const key = `${kind}:${data.number}`;
    const node = DRAWN[kind](data);
    const group = kind.startsWith("stripe") ? "stripe" : kind;
    const known = events.get(key);
    node.hidden = filter !== "" && filter !== group;
    node.dataset.kind = group;
    if (known) {
      node.firstChild.open = known.firstChild.open;
      const focused = known.contains(document.activeElement);
      known.replaceWith(node);
      if (focused) node.querySelector("summary").focus();
    } else {
      list.prepend(node);
    }
    events.set(key, node);
    if (events.size > MOST_EVENTS) {
      const [oldest] = events.keys();
      events.get(oldest).remove();
      events.delete(oldest);
    }
    show();
  }

  function show() {
    byId("no-events").hidden = events.size > 0;
    const count = byId("tab-count");
    count.textContent = String(events.size);
    count.hidden = events.size === 0;
  }

  for (const button of document.querySelectorAll("[data-filter]")) {
    button.addEventListener("click", () => {
      filter = button.dataset.filter;
      for (const other of document.querySelectorAll("[data-filter]")) other.setAttribute("aria-pressed", String(other === button));
      for (const node of events.values()) node.hidden = filter !== "" && filter !== node.dataset.kind;
    });
  }

  return {
    put,
    clear() {
      events.clear();
      list.replaceChildren();
      show();
    },
  };
}

function line({ at, way, wayLabel, tag, name, about, status, meaning, took, body }) {
  return element(
    "li",
    { class: "event" },
    element(
      "details",
      {},
      element(
        "summary",
        {},
        element("time", {}, exactClock(at)),
        element("span", { class: "way", role: "img", "aria-label": wayLabel, title: wayLabel }, way),
        element("span", { class: "what" }, tag ? element("span", { class: "tag" }, tag) : null, element("b", {}, name), about ? element("span", {}, about) : null),
        element("span", { class: `status ${meaning}` }, status),
        element("span", { class: "took" }, took),
      ),
      lazily(body),
    ),
  );
}

// JSON is only written out when somebody looks.
function lazily(body) {
  const place = element("div", { class: "event-body" });
  queueMicrotask(() => {
    const details = place.parentElement;
    if (!details) return;
    const fill = () => { if (details.open && place.childElementCount === 0) place.append(...body()); };
    details.addEventListener("toggle", fill);
    fill();
  });
  return place;
}

const heading = (words) => element("h4", {}, words);
const json = (value) => element("pre", { tabindex: "0" }, typeof value === "string" ? value : JSON.stringify(value, null, 2));

function drawUpdate(update) {
  const last = update.attempts.at(-1);
  const content = update.update?.[update.kind] ?? {};
  const about = aboutUpdate(update.kind, content);
  const failed = last?.error;
  const meaning = update.state === "delivered" ? "" : update.state === "waiting" ? (failed ? "waiting" : "") : "refused";
  const count = update.attempts.length > 1 ? `${update.attempts.length} × ` : "";
  let status = last?.status ?? (failed ? "failed" : "waiting");
  if (update.state === "waiting" && failed) status = `${last.status ?? "failed"}, again soon`;
  else if (update.state === "expired") status = "expired";
  else if (update.state === "dropped") status = `${last?.status ?? ""} dropped`.trim();
  return line({
    at: update.created_at,
    way: "→",
    wayLabel: "to the bot",
    name: update.kind,
    about,
    status: `${count}${status}`,
    meaning,
    took: last && !(last.status === null && !last.error) ? duration(last.duration_ms) : "",
    body: () => [
      ...update.attempts.flatMap((attempt, index) => [
        heading(`${WHY[attempt.why] ?? "Injected"} ${index + 1} · ${exactClock(attempt.at)} · ${attempt.status ?? "no answer"} · ${duration(attempt.duration_ms)}${attempt.error ? ` · ${attempt.error}` : ""}`),
        attempt.body ? json(tidy(attempt.body)) : null,
      ]).filter(Boolean),
      heading("Update"),
      json(update.update),
      acts(update),
    ],
  });
}

function acts(update) {
  const again = (label, body) => element("button", { type: "button", class: "plain", onclick: () => ask("/redeliver", { update_id: update.update_id, bot: update.bot_id, ...body }) }, label);
  return element("div", { class: "event-acts" }, again("Deliver again", {}), again("10 × at once", { times: 10, concurrent: true }));
}

function aboutUpdate(kind, content) {
  if (content.successful_payment) return "successful_payment";
  if (content.refunded_payment) return "refunded_payment";
  if (kind === "callback_query") return content.data;
  if (kind === "pre_checkout_query") return content.currency ? `${content.total_amount} ${content.currency}` : "";
  return content.text ?? content.new_chat_member?.status ?? "";
}

function drawCall(call) {
  const refused = call.status !== 200;
  const status = call.status === null ? "reset" : String(call.status);
  return line({
    at: call.at,
    way: "←",
    wayLabel: call.via === "reply" ? "from the bot, as the answer to an update" : "from the bot",
    name: call.method,
    about: call.fault || (refused ? call.answer?.description ?? "" : call.via === "reply" ? "in the answer" : call.arguments.text ?? call.arguments.title ?? ""),
    status,
    meaning: refused ? "waiting" : "",
    took: duration(call.duration_ms),
    body: () => [heading("Arguments"), json(call.arguments), heading("Answer"), json(call.answer ?? call.fault)],
  });
}

// Stripe's events go to each endpoint on their own, so there may be several deliveries of one, or none.
function drawStripeEvent(one) {
  const attempts = one.deliveries.flatMap((delivery) => delivery.attempts);
  const last = attempts.at(-1);
  const states = one.deliveries.map((delivery) => delivery.state);
  const waiting = states.includes("waiting");
  const count = attempts.length > 1 ? `${attempts.length} × ` : "";
  const word = states.find((state) => state !== "delivered" && state !== "waiting");
  let status = last?.status ?? (last?.error ? "failed" : "waiting");
  if (states.length === 0) status = "no endpoint";
  else if (word) status = last ? `${last.status ?? "failed"} ${word}` : word;
  else if (waiting && last?.error) status = `${last.status ?? "failed"}, again soon`;
  const thing = one.event?.data?.object ?? {};
  const sum = thing.amount_total ?? thing.amount;
  return line({
    at: one.created_at,
    way: "→",
    wayLabel: "from Stripe to the service",
    tag: "Stripe",
    name: one.type,
    about: one.forged ? "forged" : sum && thing.currency ? money(sum, thing.currency) : "",
    status: `${count}${status}`,
    meaning: word === "failed" || word === "lost" || word === "dropped" ? "refused" : word || last?.error ? "waiting" : "",
    took: last && !(last.status === null && !last.error) ? duration(last.duration_ms) : "",
    body: () => [
      ...attempts.flatMap((attempt, index) => [
        heading(`${WHY[attempt.why] ?? "Delivery"} ${index + 1} · ${exactClock(attempt.at)} · ${attempt.status ?? "no answer"} · ${duration(attempt.duration_ms)}${attempt.error ? ` · ${attempt.error}` : ""}`),
        attempt.body ? json(tidy(attempt.body)) : null,
      ]).filter(Boolean),
      heading("Event"),
      json(one.event),
      one.forged || one.deliveries.length === 0 ? null : stripeActs(one, states),
    ].filter(Boolean),
  });
}

function stripeActs(one, states) {
  const act = (label, path, body) => element("button", { type: "button", class: "plain", onclick: () => ask(path, { event_ids: [one.event_id], ...body }) }, label);
  return element(
    "div",
    { class: "event-acts" },
    states.includes("held") ? act("Release", "/stripe/release", {}) : null,
    act("Deliver again", "/stripe/resend", {}),
    act("10 × at once", "/stripe/resend", { times: 10, concurrent: true }),
  );
}

function drawStripeCall(call) {
  const refused = call.status !== 200;
  return line({
    at: call.at,
    way: "←",
    wayLabel: "from the service to Stripe",
    tag: "Stripe",
    name: call.method === "?" ? call.address : call.method,
    about: call.fault || (refused ? call.answer?.error?.message ?? "" : ""),
    status: call.status === null ? "reset" : String(call.status),
    meaning: refused ? "waiting" : "",
    took: duration(call.duration_ms),
    body: () => [heading(`${call.address}${call.idempotency_key ? ` · Idempotency-Key ${call.idempotency_key}` : ""}`), json(call.arguments), heading("Answer"), json(call.answer ?? call.fault)],
  });
}

const WHY = { delivery: "Delivery", copy: "Copy", redelivery: "Delivered again", injection: "Injected" };
const DRAWN = { update: drawUpdate, call: drawCall, stripe_event: drawStripeEvent, stripe_call: drawStripeCall };

function tidy(text) {
  try { return JSON.parse(text); } catch { return text; }
}

// Answers may overtake each other; only the newest question's is shown.
let newestQuestion = 0;

export async function showWhatTheServiceSays(state, viewer) {
  const question = ++newestQuestion;
  const place = byId("says");
  const asked = state.service_url ? await ask(`/service?user_id=${viewer.id}`).catch(() => ({ answers: [] })) : { answers: [] };
  if (question !== newestQuestion) return;
  place.hidden = !state.service_url;
  if (!state.service_url) return;
  asked.answers.sort((a, b) => Number(b.answer?.allowed === true) - Number(a.answer?.allowed === true));
  const rows = asked.answers.map((one) => {
    const name = one.path.split("/").at(-1);
    const allowed = one.answer?.allowed;
    const until = allowed && one.answer.expires_at ? ` until ${new Date(one.answer.expires_at).toLocaleDateString("en-GB", { dateStyle: "long" })}` : "";
    const words = one.status === 200 && typeof allowed === "boolean" ? `${allowed ? "✓" : "–"} allowed: ${allowed}` : one.error || `answered ${one.status}`;
    const meaning = one.status !== 200 ? "waiting" : allowed ? "granted" : "refused";
    return element("div", { class: "answer" }, element("span", { class: `allowed ${meaning}` }, words), element("span", {}, `${name}${until}`));
  });
  const path = asked.answers[0]?.path ?? `/internal/v1/users/${viewer.id}/features/FEATURE`;
  place.replaceChildren(
    element("div", { class: "says-head" }, element("h3", {}, `What another service is told of ${viewer.first_name}`), element("button", { type: "button", class: "plain", onclick: () => showWhatTheServiceSays(state, viewer) }, "Ask again")),
    ...rows,
    element("code", { class: "curl" }, `curl -H "Authorization: Bearer $TOKEN" ${state.service_url.replace(/\/$/, "")}${path}`),
  );
}
