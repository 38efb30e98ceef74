// The palette: Ctrl+K, then a few letters. Pages and the buttons of this page are there at once; what is stored is asked
// of the server. A pasted number or id of a run goes there. Without scripts its place is the page /find/.
import { make } from "./dom.js";

const ASK_AFTER = 120; // ms without a key
const RUN = /^\s*#?(\d{1,15}|[0-9a-f]{4,8}[0-9a-f-]{0,28})\s*$/i;
let dialog = null;
let commands = [];
let timer = 0;
let asked = 0;

/** Prepare the palette; it opens on Ctrl+K. */
export function watchPalette() {
  if (!document.querySelector(".rail")) return;
  addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    dialog?.open ? dialog.close() : open();
  });
}

function open() {
  dialog ??= build();
  commands = collect();
  const input = dialog.querySelector("input");
  input.value = "";
  dialog.showModal();
  show("");
  input.focus();
}

function build() {
  const made = make("dialog", { className: "palette" });
  made.setAttribute("aria-label", "Go to or do");
  const input = make("input", { type: "text", placeholder: "Search or jump…", autocomplete: "off", spellcheck: false });
  for (const [name, value] of Object.entries({ role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list", "aria-label": "Search or jump" })) input.setAttribute(name, value);
  const list = make("ul", { id: "palette-list", className: "found" });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Found");
  made.append(input, list);
  input.addEventListener("input", () => show(input.value));
  input.addEventListener("keydown", steer);
  input.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text");
    if (RUN.test(text) && !input.value) jump(text);
  });
  made.addEventListener("click", (event) => event.target === made && made.close());
  document.body.append(made);
  return made;
}

/** The links of the rail and the buttons of this page, as {label, kind, run}. */
function collect() {
  const found = [];
  for (const button of document.querySelectorAll("main .btn")) {
    const label = button.dataset.command ?? button.textContent.trim().replace(/\s+/g, " ");
    const isThere = button.checkVisibility?.() ?? true;
    if (label && isThere && !button.closest("dialog, table, .pager, .bulk__bar, .filters, .menu__list")) found.push({ label, kind: "Here", run: () => button.click() });
  }
  for (const link of document.querySelectorAll(".rail a[href]")) {
    const label = link.querySelector(".rail__label")?.textContent ?? link.textContent.trim();
    found.push({ label, kind: "Page", run: () => location.assign(link.href) });
  }
  const seen = new Set();
  return found.filter(({ label, kind }) => !seen.has(`${kind} ${label}`) && seen.add(`${kind} ${label}`));
}

function show(text) {
  const wanted = text.trim().toLowerCase();
  const list = dialog.querySelector("ul");
  const rows = commands.filter(({ label }) => label.toLowerCase().includes(wanted)).slice(0, 12).map(row);
  list.replaceChildren(...rows);
  choose(0);
  clearTimeout(timer);
  if (wanted) timer = setTimeout(() => ask(text.trim()), ASK_AFTER);
}

function row({ label, kind, run }) {
  const item = make("li", {});
  item.setAttribute("role", "option");
  const link = make("a", { href: "#", tabIndex: -1, onclick: (event) => (event.preventDefault(), dialog.close(), run()) });
  link.append(make("span", { className: "clip", textContent: label }), make("span", { className: "push faint", textContent: kind }));
  item.append(link);
  return item;
}

async function ask(text) {
  const mine = ++asked;
  const answer = await fetch(`/find/?q=${encodeURIComponent(text)}`, { headers: { "HX-Request": "true", "HX-Target": "found" } }).catch(() => null);
  if (!answer?.ok || mine !== asked || !dialog.open) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const list = dialog.querySelector("ul");
  const before = [...list.children].indexOf(list.querySelector('[aria-selected="true"]'));
  for (const item of page.querySelectorAll(".found > li")) {
    item.setAttribute("role", "option");
    item.querySelector("a").tabIndex = -1;
    list.append(item);
  }
  choose(Math.max(0, before));
}

function choose(index) {
  const items = [...dialog.querySelectorAll("li")];
  items.forEach((item, at) => {
    item.id = `palette-${at}`;
    item.setAttribute("aria-selected", String(at === index));
  });
  dialog.querySelector("input").setAttribute("aria-activedescendant", items[index]?.id ?? "");
  items[index]?.scrollIntoView({ block: "nearest" });
}

function steer(event) {
  const items = [...dialog.querySelectorAll("li")];
  const at = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (items.length) choose((at + (event.key === "ArrowDown" ? 1 : -1) + items.length) % items.length);
  } else if (event.key === "Enter") {
    event.preventDefault();
    if (items[at]) items[at].querySelector("a").click();
    else if (event.target.value.trim()) jump(event.target.value);
  }
}

function jump(text) {
  location.assign(`/find/?go=1&q=${encodeURIComponent(text.trim())}`);
}
