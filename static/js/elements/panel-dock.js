// <panel-dock>: where the step's panel stands, right or below, and how wide it is; remembered by this browser.
import { make } from "../lib/dom.js";

const KEY = "stepwell.panel";
const LEAST = 320;

class PanelDock extends HTMLElement {
  connectedCallback() {
    const body = this.closest(".run-body");
    if (!body) return;
    const saved = remembered();
    apply(body, saved);
    const button = make("button", { type: "button", className: "btn btn--small btn--quiet" });
    button.append(saved.dock === "below" ? "Dock right" : "Dock below");
    button.addEventListener("click", () => {
      const next = { ...remembered(), dock: remembered().dock === "below" ? "right" : "below" };
      localStorage.setItem(KEY, JSON.stringify(next));
      apply(body, next);
      button.textContent = next.dock === "below" ? "Dock right" : "Dock below";
    });
    this.replaceChildren(button);
    addHandle(body);
  }
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

function apply(body, { dock, width }) {
  body.dataset.dock = dock === "below" ? "below" : "right";
  if (Number.isFinite(width)) body.style.setProperty("--panel-width", `${width}px`);
}

/** A line between the two that can be dragged, and moved by arrow keys. */
function addHandle(body) {
  if (body.querySelector(":scope > .splitter")) return;
  const handle = make("div", { className: "splitter", tabIndex: 0, role: "separator", title: "Drag to resize" });
  handle.setAttribute("aria-orientation", "vertical");
  handle.setAttribute("aria-label", "Width of the panel");
  const resize = (width) => {
    const most = body.clientWidth - LEAST;
    const value = Math.round(Math.min(most, Math.max(LEAST, width)));
    apply(body, { ...remembered(), width: value });
    tell(value);
    localStorage.setItem(KEY, JSON.stringify({ ...remembered(), width: value }));
  };
  const now = () => body.lastElementChild.getBoundingClientRect().width;
  const tell = (width) => {
    handle.setAttribute("aria-valuemin", LEAST);
    handle.setAttribute("aria-valuemax", Math.max(LEAST, body.clientWidth - LEAST));
    handle.setAttribute("aria-valuenow", Math.round(width));
  };
  handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
  handle.addEventListener("pointermove", (event) => {
    if (handle.hasPointerCapture(event.pointerId)) resize(body.getBoundingClientRect().right - event.clientX);
  });
  handle.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") resize(now() + 32);
    if (event.key === "ArrowRight") resize(now() - 32);
  });
  tell(now());
  body.insertBefore(handle, body.lastElementChild);
}

customElements.define("panel-dock", PanelDock);
