// Keeps what is known, and lets the parts draw it.

import { createBehind, showWhatTheServiceSays } from "./behind.js";
import { createChat, keyOf } from "./chat.js";
import { byId, element } from "./element.js";
import { openNotice, openPayment, openReceipt } from "./payment.js";
import { ask, listen } from "./sandbox.js";
import { createDesk } from "./stripe/desk.js";
import { createStripeUnkind, createUnkind } from "./unkind.js";
import { fullName, money, trouble } from "./words.js";

const KNOWN_COMMANDS = [{ command: "start", description: "Begin" }, { command: "buy", description: "See what there is" }];
const PRESS_TIMEOUT_MS = 10_000;

let state = { bots: [], users: [], chats: [], service_url: "", service_features: [] };
let views = new Map();
let ticks = new Map();
let viewerId = Number(sessionStorage.getItem("viewer")) || 1001;
let botId = 0;
let failing = null;
let connected = true;
const pressed = new Map();
const answered = new Set();

const viewer = () => state.users.find((user) => user.id === viewerId) ?? state.users[0] ?? { id: viewerId, first_name: "You", last_name: "", stars: 0, blocked: [] };
const bot = () => state.bots.find((one) => one.id === botId) ?? state.bots[0];
const nameOf = (userId) => fullName(state.users.find((user) => user.id === userId) ?? { id: userId });
const mine = () => [...views.values()].filter((view) => view.bot_id === bot()?.id && view.chat_id === viewer().id).sort((a, b) => a.message.message_id - b.message.message_id);

const behind = createBehind();
const unkind = createUnkind(() => state.users);
const stripeUnkind = createStripeUnkind();
const desk = createDesk(act);
const chat = createChat({
  bot,
  viewer,
  say,
  press,
  charge: showReceipt,
  isPressed: (view, button) => pressed.has(pressKey(view, button)),
  pay: (view) => openPayment(view.invoice, {
    payer: viewer(), faults: unkind.faults(), message_id: view.message.message_id, chat_id: view.chat_id, bot: view.bot_id, nameOf, paid,
  }),
});

// What the viewer does

async function act(doing) {
  try {
    return await doing;
  } catch (error) {
    toast(error instanceof TypeError ? "The sandbox is not running." : error.message);
    return null;
  }
}

async function say(text) {
  if (!bot()) return toast("No bot has called yet.");
  const said = await act(ask("/say", { user_id: viewer().id, text, bot: bot().id }));
  if (said) chat.toEnd();
}

const pressKey = (view, button) => `${view.chat_id}:${view.message.message_id}:${button.text}`;

async function press(view, button) {
  if (button.callback_data === undefined) return openNotice(button.text, "The sandbox does not do what this kind of button does.");
  const key = pressKey(view, button);
  const sent = await act(ask("/press", { user_id: viewer().id, message_id: view.message.message_id, chat_id: view.chat_id, data: button.callback_data, bot: view.bot_id }));
  if (!sent) return;
  if (answered.delete(sent.callback_query_id)) return;
  pressed.set(key, sent.callback_query_id);
  drawChat();
  setTimeout(() => { if (pressed.delete(key)) drawChat(); }, PRESS_TIMEOUT_MS);
}

async function paid(outcome) {
  toast("Paid");
  // The service has yet to hear of it.
  for (const wait of [400, 1200, 3000]) setTimeout(() => showWhatTheServiceSays(state, viewer()), wait);
  void outcome;
}

async function showReceipt(chargeId) {
  const ledger = await act(ask("/ledger"));
  const charge = ledger?.charges.find((one) => one.charge_id === chargeId);
  if (!charge) return toast("No money moved for this one: it was forged.");
  const payer = state.users.find((user) => user.id === charge.user_id) ?? { id: charge.user_id };
  openReceipt(charge, payer, () => {
    toast("Refunded");
    for (const wait of [400, 1500]) setTimeout(() => showWhatTheServiceSays(state, viewer()), wait);
  });
}

// Drawing

function drawChat() {
  chat.draw(mine(), ticks);
  const blocked = bot() && viewer().blocked?.includes(bot().id);
  byId("composer").hidden = Boolean(blocked);
  byId("restart").hidden = !blocked;
  const line = byId("trouble");
  line.hidden = connected && !failing;
  line.className = connected ? "trouble" : "trouble lost";
  line.textContent = connected ? failing ?? "" : "The sandbox has stopped. This page goes on by itself when it is back.";
}

function drawHead() {
  const current = bot();
  byId("bot-name").textContent = current?.first_name ?? "Sandbox";
  byId("bot-avatar").textContent = (current?.first_name ?? "S").slice(0, 1).toUpperCase();
  byId("bot-status").textContent = current ? `@${current.username}` : "waiting for a bot";
  const bots = byId("bot");
  bots.hidden = state.bots.length < 2;
  byId("bot-status").hidden = !bots.hidden;
  bots.replaceChildren(...state.bots.map((one) => element("option", { value: one.id, selected: one === current }, `@${one.username}`)));
  const select = byId("viewer");
  select.replaceChildren(...state.users.map((user) => element("option", { value: user.id, selected: user.id === viewer().id }, fullName(user))));
  byId("viewer-stars").textContent = money(viewer().stars, "XTR");
  byId("menu").hidden = !current;
  const place = byId("webhook");
  const waits = (why) => place.replaceChildren(element("span", { class: "waiting" }, `△ ${why}, so updates wait`));
  if (!current) place.replaceChildren();
  else if (current.mtproto?.connected) place.replaceChildren("Updates go over MTProto");
  else if (current.mtproto) waits("nobody listens over MTProto");
  else if (!current.webhook) waits("no webhook is set");
  else place.replaceChildren("Webhook ", element("span", { class: "mono" }, current.webhook.url));
}

const commands = () => (bot()?.commands.length ? bot().commands : KNOWN_COMMANDS);

function drawCommands(prefix) {
  const fitting = prefix === null ? [] : commands().filter((one) => one.command.startsWith(prefix));
  const menu = byId("commands");
  menu.hidden = fitting.length === 0;
  byId("menu").setAttribute("aria-expanded", String(!menu.hidden));
  menu.replaceChildren(...fitting.map((one) => element(
    "button",
    { type: "button", class: "command-row", role: "option", onclick: () => { choose(`/${one.command}`); } },
    element("b", {}, `/${one.command}`),
    element("span", {}, one.description),
  )));
}

function choose(text) {
  byId("text").value = "";
  drawCommands(null);
  byId("text").focus();
  say(text);
}

let toastTimer = 0;
function toast(words) {
  const place = byId("toast");
  place.textContent = words;
  place.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => place.classList.remove("shown"), 4000);
}

// What Stripe tells the service may change what it says of the viewer, a moment later.
let serviceTimer = 0;
function soonAskTheService() {
  clearTimeout(serviceTimer);
  serviceTimer = setTimeout(() => showWhatTheServiceSays(state, viewer()), 600);
}

// News

function notice(update) {
  const message = update.update?.message ?? update.update?.edited_message;
  if (message?.message_id) ticks.set(keyOf(update.bot_id, message.chat?.id, message.message_id), tickOf(update));
  const last = update.attempts.at(-1);
  if (update.state === "waiting" && last?.error) {
    const seconds = update.next_attempt_at ? Math.max(0, Math.round(update.next_attempt_at - Date.now() / 1000)) : 0;
    failing = `△ ${trouble(last.error)} Telegram tries again${seconds > 0 ? ` in ${seconds} s` : ""}.`;
  } else if (update.state === "delivered") failing = null;
}

function tickOf(update) {
  if (update.state === "delivered") return "delivered";
  if (update.state !== "waiting" || update.attempts.at(-1)?.error) return "failed";
  return "waiting";
}

// While the whole is fetched, news is kept back: it may be newer than what is fetched, or older.
let loading = false;
let stale = false;
const keptBack = [];

async function load() {
  if (loading) {
    stale = true;
    return;
  }
  loading = true;
  try {
    do {
      stale = false;
      await fetchAll();
    } while (stale);
  } catch {
    stale = false; // the sandbox has gone; the stream says so, and says when it is back
  } finally {
    loading = false;
    for (const tell of keptBack.splice(0)) tell();
  }
}

async function fetchAll() {
  const [fresh, updates, calls, stripeEvents, stripeCalls, stripeFaults] = await Promise.all([
    ask("/state"),
    ask("/updates?limit=150"),
    ask("/calls?limit=150"),
    ask("/stripe/events?limit=150"),
    ask("/stripe/calls?limit=150"),
    ask("/stripe/faults"),
  ]);
  state = fresh;
  views = new Map();
  for (const one of fresh.chats) for (const view of one.messages) views.set(keyOf(view.bot_id, view.chat_id, view.message.message_id), view);
  ticks = new Map();
  behind.clear();
  failing = null;
  const events = [
    ...updates.updates.map((one) => ["update", one]),
    ...calls.calls.map((one) => ["call", one]),
    ...stripeEvents.events.map((one) => ["stripe_event", one]),
    ...stripeCalls.calls.map((one) => ["stripe_call", one]),
  ];
  events.sort((a, b) => (a[1].created_at ?? a[1].at) - (b[1].created_at ?? b[1].at));
  for (const [kind, one] of events) {
    if (kind === "update") notice(one);
    behind.put(kind, one);
  }
  unkind.draw(fresh.faults);
  stripeUnkind.draw(stripeFaults);
  desk.soon();
  drawHead();
  drawChat();
  chat.toEnd();
  showWhatTheServiceSays(state, viewer());
}

const news = {
  message(view) {
    views.set(keyOf(view.bot_id, view.chat_id, view.message.message_id), view);
    if (view.message.from?.is_bot) chat.typing(0);
    drawChat();
  },
  update(update) {
    notice(update);
    behind.put("update", update);
    drawChat();
  },
  call(call) { behind.put("call", call); },
  stripe_event(event) {
    behind.put("stripe_event", event);
    desk.soon();
    if (event.deliveries.some((delivery) => delivery.state === "delivered")) soonAskTheService();
  },
  stripe_call(call) { behind.put("stripe_call", call); },
  stripe_faults(faults) { stripeUnkind.draw(faults); },
  user(user) {
    state.users = state.users.some((one) => one.id === user.id) ? state.users.map((one) => (one.id === user.id ? user : one)) : [...state.users, user];
    drawHead();
    drawChat();
  },
  commands({ bot_id, commands: list }) {
    state.bots = state.bots.map((one) => (one.id === bot_id ? { ...one, commands: list } : one));
  },
  faults(all) { unkind.draw(all.everywhere); },
  typing({ chat_id }) {
    if (chat_id !== viewer().id) return;
    chat.typing(5);
    drawChat();
    setTimeout(drawChat, 5100);
  },
  callback_answer(answer) {
    // The answer may be here before the press itself has come back.
    if (![...pressed.values()].includes(answer.id)) answered.add(answer.id);
    for (const [key, id] of pressed) if (id === answer.id) pressed.delete(key);
    drawChat();
    if (answer.user_id !== viewer().id || !answer.text) return;
    if (answer.show_alert) openNotice(bot()?.first_name ?? "Bot", answer.text);
    else toast(answer.text);
  },
};

for (const [kind, tell] of Object.entries(news)) {
  news[kind] = (data) => (loading ? keptBack.push(() => tell(data)) : tell(data));
}

listen({
  ...news,
  connected(isIt) {
    connected = isIt;
    if (isIt) load().then(openLinked);
    else drawChat();
  },
  bot: load,
  webhook: load,
  reset: load,
});

// The address /$slug opens an invoice link.
let linked = location.pathname.startsWith("/$") ? location.pathname.slice(1) : "";
async function openLinked() {
  if (!linked) return;
  const slug = linked;
  linked = "";
  const { invoice } = await ask(`/links/${slug}`);
  if (!invoice) return openNotice("No such invoice", "Nothing is offered under this link. The sandbox may have been started anew since it was made.");
  openPayment(invoice, { payer: viewer(), faults: unkind.faults(), link: slug, nameOf, paid });
}

// Controls

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("text").value.trim();
  if (text) choose(text);
});
byId("text").addEventListener("input", () => {
  const { value } = byId("text");
  drawCommands(/^\/\w*$/.test(value) ? value.slice(1) : null);
});
byId("menu").addEventListener("click", () => {
  drawCommands(byId("commands").hidden ? "" : null);
  byId("commands").querySelector("button")?.focus();
});
document.addEventListener("keydown", (event) => {
  const menu = byId("commands");
  if (menu.hidden) return;
  const rows = [...menu.querySelectorAll("button")];
  const at = rows.indexOf(document.activeElement);
  if (event.key === "Escape") {
    drawCommands(null);
    byId("text").focus();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    rows.at((at + (event.key === "ArrowDown" ? 1 : -1) + rows.length) % rows.length)?.focus();
  }
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("#commands, #menu, #text")) drawCommands(null);
});
byId("viewer").addEventListener("change", (event) => {
  viewerId = Number(event.target.value);
  sessionStorage.setItem("viewer", String(viewerId));
  drawHead();
  drawChat();
  chat.toEnd();
  showWhatTheServiceSays(state, viewer());
});
byId("bot").addEventListener("change", (event) => {
  botId = Number(event.target.value);
  drawHead();
  drawChat();
  chat.toEnd();
});
byId("restart").addEventListener("click", async () => {
  await act(ask(`/users/${viewer().id}`, { blocked: false, bot: bot().id }, "PATCH"));
  say("/start");
});
byId("clear").addEventListener("click", () => act(ask("/reset", {})));

const tabs = [byId("tab-chat"), byId("tab-behind")];
function openTab(tab) {
  document.body.dataset.tab = tab.getAttribute("aria-controls");
  for (const one of tabs) {
    one.setAttribute("aria-selected", String(one === tab));
    one.tabIndex = one === tab ? 0 : -1;
  }
}
for (const tab of tabs) {
  tab.addEventListener("click", () => openTab(tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = tabs[1 - tabs.indexOf(tab)];
    openTab(other);
    other.focus();
  });
}
openTab(tabs[0]);
