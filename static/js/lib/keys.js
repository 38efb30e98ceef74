// Keys: one letter each, never while something is typed in, and off for whoever switched them off (their account says so
// in the body's data-keys). What each does stands on the page /help/keys/, which "?" shows over this one.
import { make } from "./dom.js";

const PLACES = { h: "/", r: "/runs/", u: "/runs/unresolved/", p: "/pipelines/", s: "/schedules/", a: "/artifacts/", m: "/models/", w: "/runners/", i: "/inbox/" };
const AFTER_G = 1200; // ms in which the second letter counts
let waits = 0;

/** Listen for keys, on pages of who wants them. */
export function watchKeys() {
  if (document.body.dataset.keys !== "on") return;
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (act(event.key)) event.preventDefault();
  });
}

const isTyping = (target) => target.isContentEditable || target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [role=application]");

function act(key) {
  if (performance.now() < waits) {
    waits = 0;
    if (PLACES[key]) return go(PLACES[key]);
  }
  switch (key) {
    case "g":
      waits = performance.now() + AFTER_G;
      return true;
    case "?":
      return sheet();
    case "/":
      return focus(document.querySelector("[data-key=filter]") ?? document.querySelector(".top .search input"));
    case "j":
      return move(1, "");
    case "k":
      return move(-1, "");
    case "f":
      return move(1, "[data-status=failed]");
    case "x":
      return press(document.activeElement?.closest("tr")?.querySelector(".tick input"));
    case "r":
      return press(document.querySelector('[data-key=rerun], main .run-head a[href*="/rerun/"].btn--primary, main .run-head a[href*="/rerun/"]'));
    case "w":
      return press(document.querySelector("[data-part=wrap]"));
    case "l":
      return press(document.querySelector('[data-key=logs], main nav.tabs a[href*="/logs/"]'));
  }
  return false;
}

function go(place) {
  location.assign(place);
  return true;
}

function focus(element) {
  element?.focus();
  element?.select?.();
  return Boolean(element);
}

function press(element) {
  element?.click();
  return Boolean(element);
}

/** Go to the next (1) or previous (-1) row of the page's tables that fits; after the last comes the first. */
function move(step, fits) {
  const rows = [...document.querySelectorAll(`main tr${fits}`)].filter((row) => row.querySelector("td a"));
  if (!rows.length) return false;
  const here = document.activeElement?.closest("tr");
  const at = rows.indexOf(here);
  let next = rows[(at + step + rows.length) % rows.length];
  if (at < 0) {
    const later = here ? rows.find((row) => here.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING) : null;
    next = later ?? (step > 0 ? rows[0] : rows.at(-1));
  }
  return focus(next.querySelector("td a.table__link, td a"));
}

/** Show the keys of this page over it. */
function sheet() {
  const dialog = make("dialog", { className: "dialog dialog--narrow sheet", onclose: () => dialog.remove() });
  dialog.setAttribute("aria-label", "Keys");
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  fetch("/help/keys/", { headers: { "HX-Request": "true", "HX-Target": "keys" } })
    .then((answer) => answer.text())
    .then((text) => fill(dialog, new DOMParser().parseFromString(text, "text/html")))
    .catch(() => go("/help/keys/"));
  return true;
}

function fill(dialog, page) {
  for (const row of page.querySelectorAll("[data-when]")) if (!document.querySelector(row.dataset.when)) row.remove();
  const form = make("form", { method: "dialog" });
  form.append(make("button", { className: "btn", textContent: "Close" }));
  const footer = make("footer", {});
  footer.append(form);
  dialog.append(page.querySelector("#keys"), footer);
  dialog.showModal();
}
