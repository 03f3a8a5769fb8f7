// Builds DOM nodes. Texts become text nodes, never markup, so whatever a bot or a user writes stays inert.

export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else node.setAttribute(key, String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

export const byId = (id) => document.getElementById(id);

const LINKS = /^(https?:|tg:)/i;

// The entities of a message, as nodes. Offsets count UTF-16 units, as JavaScript's strings do.
export function formatted(text, entities = [], onCommand = () => {}) {
  const sorted = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  function render(from, to, first) {
    const nodes = [];
    let at = from;
    for (let index = first; index < sorted.length; index += 1) {
      const entity = sorted[index];
      if (entity.offset < at || entity.offset >= to) continue;
      const end = Math.min(to, entity.offset + entity.length);
      if (entity.offset > at) nodes.push(text.slice(at, entity.offset));
      nodes.push(wrap(entity, text.slice(entity.offset, end), render(entity.offset, end, index + 1)));
      at = end;
    }
    if (at < to) nodes.push(text.slice(at, to));
    return nodes;
  }
  function wrap(entity, raw, inside) {
    switch (entity.type) {
      case "bold": return element("strong", {}, inside);
      case "italic": return element("em", {}, inside);
      case "underline": return element("u", {}, inside);
      case "strikethrough": return element("s", {}, inside);
      case "code": return element("code", {}, inside);
      case "pre": return element("pre", {}, inside);
      case "blockquote":
      case "expandable_blockquote": return element("blockquote", {}, inside);
      case "spoiler": return element("span", { class: "spoiler", tabindex: "0" }, inside);
      case "bot_command":
        return element("button", { type: "button", class: "command", onclick: () => onCommand(raw) }, inside);
      case "url":
      case "text_link": {
        const href = entity.url ?? raw;
        if (!LINKS.test(href)) return element("span", {}, inside);
        return element("a", { href, target: "_blank", rel: "noopener noreferrer" }, inside);
      }
      default: return element("span", {}, inside);
    }
  }
  return render(0, text.length, 0);
}
