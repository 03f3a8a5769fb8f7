// What the pages do in the browser: keys, copying, questions before an act. Everything else is made on the server.
"use strict";
(() => {
  const told = (words) => { document.getElementById("told").textContent = words; };
  const typing = (at) => at.closest("input, select, textarea, [contenteditable]") !== null;

  // "/" goes to the search; j and k walk along the rows of a page, Enter opens the one that has the focus.
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key === "/") {
      const search = document.getElementById("search");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "j" || event.key === "k") {
      const rows = [...document.querySelectorAll("a.row")];
      const at = rows.indexOf(document.activeElement);
      const next = rows[at + (event.key === "j" ? 1 : -1)] ?? (at < 0 ? rows[0] : undefined);
      if (!next) return;
      event.preventDefault();
      next.focus();
      next.closest("tr").scrollIntoView({ block: "nearest" });
    }
  });

  addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-copies], [data-opens], [data-closes]");
    if (!pressed) return;
    if ("copies" in pressed.dataset) copy(pressed.dataset.copies);
    else if ("opens" in pressed.dataset) document.getElementById(pressed.dataset.opens).showModal();
    else pressed.closest("dialog").close();
  });

  const copy = async (words) => {
    try {
      await navigator.clipboard.writeText(words);
      told("Copied");
    } catch {
      told("The browser does not let the page copy this.");
    }
  };

  // A form is sent once: the server holds to it, and the button shows it.
  addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    keep(form);
    for (const button of form.querySelectorAll("button[type=submit]")) button.setAttribute("aria-disabled", "true");
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button[type=submit]")) button.removeAttribute("aria-disabled");
    }
  });

  // What was typed into a question stays in this tab until its answer is there: after a no it is asked again, filled in.
  const KEPT = "tollgram-typed";
  const typedInto = (form) => [...form.elements].filter((field) => field.name && field.type !== "hidden" && field.type !== "password");
  const keep = (form) => {
    if (!form.closest("dialog")) return;
    const fields = Object.fromEntries(typedInto(form).map((field) => [field.name, field.value]));
    try { sessionStorage.setItem(KEPT, JSON.stringify({ action: form.getAttribute("action"), fields })); } catch { /* then it is not kept */ }
  };
  const askAgain = () => {
    let kept = null;
    try {
      kept = JSON.parse(sessionStorage.getItem(KEPT));
      sessionStorage.removeItem(KEPT);
    } catch { /* nothing was kept */ }
    const form = kept && [...document.querySelectorAll("dialog form")].find((one) => one.getAttribute("action") === kept.action);
    if (!form || !document.querySelector(".notice.bad[data-once]")) return;
    for (const field of typedInto(form)) if (field.name in kept.fields) field.value = kept.fields[field.name];
    const no = document.querySelector(".notice.bad[data-once]").cloneNode(true);
    form.querySelector("h2").after(no);
    form.closest("dialog").addEventListener("close", () => no.remove(), { once: true });
    form.closest("dialog").showModal();
  };
  askAgain();

  // What became of an act is told once: loading the page again does not tell it again.
  if (document.querySelector("[data-once]")) {
    const here = new URL(location.href);
    here.searchParams.delete("did");
    history.replaceState(null, "", here);
  }

  // Pieces that are brought up to date by themselves say when they could not be.
  const lost = document.getElementById("lost");
  if (lost) {
    const say = (hidden) => () => { lost.hidden = hidden; };
    for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) document.body.addEventListener(name, say(false));
    document.body.addEventListener("htmx:afterSwap", say(true));
  }
})();
