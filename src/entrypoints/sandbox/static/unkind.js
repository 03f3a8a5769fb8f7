// The switches that make things go wrong.

import { byId, element } from "./element.js";
import { ask } from "./sandbox.js";
import { fullName } from "./words.js";

const SWITCHES = [
  { name: "deliver_times", on: 2, off: 1, label: "Deliver everything twice", about: "each update again after it was taken" },
  { name: "deliver_concurrently", on: 5, off: 1, label: "Deliver five copies at once", about: "the same update on five connections" },
  { name: "delivery_delay_s", on: 5, off: 0, label: "Deliver late", about: "each update 5 seconds later" },
  { name: "lose_answers", on: 1, off: 0, label: "Lose the next answer", about: "taken, but Telegram never hears so" },
  { name: "pay_as_user", off: null, label: "Pay as somebody else", about: "whoever presses, this one pays", choice: "user" },
  { name: "pay_amount", off: null, on: 1, label: "Pay another amount", about: "in the smallest unit", choice: "number" },
  { name: "skip_pre_checkout", on: true, off: false, label: "Pay without asking", about: "no pre-checkout query" },
  { name: "api_delay_s", on: 3, off: 0, label: "Be slow", about: "calls of the bot take 3 seconds" },
  { name: "api_429", on: 3, off: 0, label: "Refuse the next three calls", about: "too many requests, wait a second" },
  { name: "api_lose_replies", on: 1, off: 0, label: "Lose the next reply", about: "done, but the bot never hears so" },
  { name: "down", on: true, off: false, label: "Be down", about: "every connection is reset" },
];

const STRIPE_SWITCHES = [
  { name: "deliver_times", on: 2, off: 1, label: "Deliver every event twice", about: "each again after it was taken" },
  { name: "twin_events", on: true, off: false, label: "Tell everything twice", about: "two events for each change" },
  { name: "hold_events", on: true, off: false, label: "Hold events back", about: "until you release them, in any order" },
  { name: "delivery_jitter_s", on: 10, off: 0, label: "Deliver out of order", about: "each up to 10 seconds late" },
  { name: "lose_events", on: 1, off: 0, label: "Lose the next event", about: "only the list of events has it" },
  { name: "lose_answers", on: 1, off: 0, label: "Lose the next answer", about: "taken, but Stripe never hears so" },
  { name: "refunds_pending", on: true, off: false, label: "Leave refunds pending", about: "until you settle them" },
  { name: "api_delay_s", on: 12, off: 0, label: "Be slow", about: "calls of Stripe take 12 seconds" },
  { name: "api_lose_replies", on: 1, off: 0, label: "Lose the next reply", about: "done, but the service never hears so" },
  { name: "down", on: true, off: false, label: "Be down", about: "every connection is reset" },
];

// How many things are wrong, on both sides.
const wrong = new Map();
function tell(side, count) {
  wrong.set(side, count);
  const on = [...wrong.values()].reduce((sum, one) => sum + one, 0);
  const place = byId("unkind-count");
  place.textContent = on === 0 ? "nothing is wrong" : on === 1 ? "1 thing is wrong" : `${on} things are wrong`;
  place.className = on === 0 ? "quiet" : "quiet waiting";
}

export const createUnkind = (people) => createSwitches({ form: byId("faults"), switches: SWITCHES, path: "/faults", prefix: "fault", people });
export const createStripeUnkind = () => createSwitches({ form: byId("stripe-faults"), switches: STRIPE_SWITCHES, path: "/stripe/faults", prefix: "stripe-fault", people: () => [] });

function createSwitches({ form, switches, path, prefix, people }) {
  let now = {};

  async function change(name, value) {
    await ask(path, { [name]: value }, "PATCH");
  }

  function draw(faults) {
    now = faults;
    const on = switches.filter((one) => isOn(one)).length;
    tell(prefix, on);
    const focused = document.activeElement?.id;
    form.replaceChildren(...switches.map(row), element("div", { class: "faults-foot" }, element("button", { type: "button", class: "plain", disabled: on === 0, onclick: () => ask(path, {}, "PUT") }, "Be kind again")));
    if (focused) byId(focused)?.focus();
  }

  const isOn = (one) => now[one.name] !== one.off && now[one.name] !== undefined;

  function row(one) {
    const id = `${prefix}-${one.name}`;
    const value = () => (one.choice === "user" ? Number(byId(`${id}-value`).value) : one.choice === "number" ? Number(byId(`${id}-value`).value) : one.on);
    const box = element("input", { type: "checkbox", id, checked: isOn(one), onchange: () => change(one.name, box.checked ? value() : one.off) });
    return element("div", { class: "fault" }, box, element("label", { for: id }, one.label, element("small", {}, one.about)), extra(one, id, box));
  }

  function extra(one, id, box) {
    const changed = () => { if (box.checked) change(one.name, Number(byId(`${id}-value`).value)); };
    if (one.choice === "user") {
      const chosen = now[one.name] ?? people().at(-1)?.id;
      return element("select", { id: `${id}-value`, "aria-label": "Who pays", onchange: changed }, people().map((user) => element("option", { value: user.id, selected: user.id === chosen }, fullName(user))));
    }
    if (one.choice === "number") {
      return element("input", { type: "number", id: `${id}-value`, "aria-label": "Amount", value: now[one.name] ?? one.on, step: "1", onchange: changed });
    }
    return null;
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  return { draw, faults: () => now };
}
