// Parts that reload by themselves leave alone what a person holds: where text is selected, a menu or a dialog is open, or
// a field was changed, a part stays as it is until they let go, and is loaded then. A state that changed fades in.
import { reload } from "./pace.js";

const LOOK = 500; // ms between two looks whether they let go
const FADE = 150; // ms, as in state.css

const held = new Set(); // ids of parts
let isLive = false;
let states = new Map();
let timer = 0;

/** Watch what htmx puts in place. */
export function keepCalm() {
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    isLive = ["live", "structure"].includes(detail.requestConfig?.triggeringEvent?.type);
    if (!isLive) return;
    states = statesShown();
    if (isHeld(detail.target)) leave(detail);
  });
  document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
    if (isLive && isHeld(detail.target)) leave(detail);
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (isLive) fadeIn();
    isLive = false;
  });
}

function isHeld(part) {
  const selection = getSelection();
  if (!selection.isCollapsed && selection.containsNode(part, true)) return true;
  // What htmx keeps when the rest is replaced holds nothing up.
  const open = [...part.querySelectorAll("details.menu[open], dialog[open], input, textarea, select")].filter(
    (one) => !one.closest("[hx-preserve]"),
  );
  return open.some((one) => one.matches("details, dialog") || isChanged(one));
}

function isChanged(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.tagName !== "SELECT") return field.type !== "hidden" && field.value !== field.defaultValue;
  return [...field.options].some((option) => option.defaultSelected) && !field.selectedOptions[0]?.defaultSelected;
}

function leave(detail) {
  detail.shouldSwap = false;
  held.add(detail.target.id);
  timer ||= setInterval(look, LOOK);
}

function look() {
  if (document.hidden) return;
  for (const id of held) {
    const part = document.getElementById(id);
    if (part && isHeld(part)) continue;
    held.delete(id);
    if (part) bringUpToDate(part);
  }
  if (held.size) return;
  clearInterval(timer);
  timer = 0;
}

function bringUpToDate(part) {
  if (part.matches("[data-live]")) return reload(part.parentElement);
  // It came beside another part, which has gone on since: the page itself has it as it is now.
  const select = `#${CSS.escape(part.id)}`;
  window.htmx.ajax("GET", location.href, { source: document.body, target: select, select, swap: "outerHTML" });
}

/** Return the status of each state that can be found again: the one of a run, a step, or a part with an id. */
function statesShown() {
  const found = new Map();
  for (const state of document.querySelectorAll("main .state[data-status]")) {
    const place = state.closest("[data-step]") ?? state.closest("[data-run]") ?? state.closest("[id]");
    const key = place.dataset.step ?? place.dataset.run ?? place.id;
    if (!found.has(key)) found.set(key, { status: state.dataset.status, state });
  }
  return found;
}

function fadeIn() {
  for (const [key, { status, state }] of statesShown()) {
    const before = states.get(key)?.status;
    if (!before || before === status) continue;
    state.classList.add("state--new");
    setTimeout(() => state.classList.remove("state--new"), 2 * FADE);
  }
}
