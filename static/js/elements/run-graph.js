// <run-graph states="URL" icons="URL">: the graph of a run. Without scripts it scrolls and its boxes are links; this adds
// zoom, dragging, arrow keys, finding a step, and states that move as <live-run> tells of them.
import { paced } from "../lib/pace.js";

const SVG = "http://www.w3.org/2000/svg";
const STEP = 1.25;
const AWAY = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class RunGraph extends HTMLElement {
  #stop = new AbortController();
  #scale = 1;
  #load = null;

  connectedCallback() {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const view = this.querySelector(".graph__view");
    if (!view) return;
    this.#load = paced(() => this.#loadStates(), 1000);
    this.closest("live-run")?.addEventListener("run-events", (event) => this.#take(event.detail), { signal });
    this.addEventListener("keydown", (event) => this.#press(event), { signal });
    this.addEventListener("click", (event) => this.#zoomBy(event.target.closest("[data-zoom]")), { signal });
    this.querySelector("[data-find]")?.addEventListener("input", (event) => this.#find(event.target.value), { signal });
    view.addEventListener("wheel", (event) => this.#wheel(event), { signal, passive: false });
    this.#drag(view, signal);
    // A little too wide is better a little smaller than cut.
    if (this.#fit() > 0.7) this.#zoom(this.#fit());
    for (const sought of ["running", "failed"]) this.#show(this.querySelector(`.node[data-status="${sought}"]`));
    this.#show(this.querySelector(".node[aria-current]"));
  }

  disconnectedCallback() {
    this.#stop.abort();
    this.#load?.stop();
  }

  get #nodes() {
    return [...this.querySelectorAll(".node")];
  }

  #take(events) {
    let isMany = false;
    for (const { kind, payload } of events) {
      if (kind === "run.planned" || kind === "step.added") return this.#reload();
      if (kind !== "step.status") continue;
      const node = this.querySelector(`.node[data-step="${CSS.escape(payload.invocation_id ?? "")}"]`);
      if (node) this.#paint(node, payload.status, payload.status);
      isMany ||= !node;
    }
    if (isMany) this.#load();
  }

  async #loadStates() {
    const answer = await fetch(this.getAttribute("states"), { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok) return;
    const { cells } = await answer.json();
    const known = new Map(this.#nodes.map((node) => [node.dataset.key, node]));
    if (cells.some(([key]) => !known.has(key))) return this.#reload();
    for (const [key, status, , icon, counts, bars] of cells) {
      const node = known.get(key);
      this.#paint(node, status, icon);
      const label = node.querySelector(".node__counts");
      if (label && label.textContent !== counts) {
        label.textContent = counts;
        node.querySelector(".segments").replaceChildren(...bars.map((bar) => segment(bar)));
      }
    }
  }

  #paint(node, status, icon) {
    if (node.dataset.status === status) return;
    node.dataset.status = status;
    node.querySelector("use").setAttribute("href", `${this.getAttribute("icons")}#${icon}`);
  }

  #reload() {
    this.closest("#run-graph")?.dispatchEvent(new CustomEvent("structure"));
  }

  // Keys

  #press(event) {
    if (event.target.matches("[data-find]")) {
      if (event.key === "Enter") {
        event.preventDefault();
        this.querySelector(".node.is-found")?.focus();
      }
      return;
    }
    const away = AWAY[event.key];
    if (!away || event.ctrlKey || event.metaKey || event.altKey) return;
    const from = document.activeElement?.closest?.(".node");
    const to = from ? this.#nearest(from, away) : this.#nodes[0];
    event.preventDefault();
    to?.focus();
    this.#show(to);
  }

  /** The box that lies nearest in a direction: along it first, aside of it at thrice the price. */
  #nearest(from, [dx, dy]) {
    const [x, y] = place(from);
    let best = null;
    let least = Infinity;
    for (const node of this.#nodes) {
      const [nx, ny] = place(node);
      const along = (nx - x) * dx + (ny - y) * dy;
      const aside = Math.abs((nx - x) * dy) + Math.abs((ny - y) * dx);
      const cost = along + 3 * aside;
      if (along > 1 && cost < least) [best, least] = [node, cost];
    }
    return best;
  }

  #find(text) {
    const wanted = text.trim().toLowerCase();
    let first = null;
    for (const node of this.#nodes) {
      const isFound = wanted !== "" && node.querySelector("title").textContent.toLowerCase().includes(wanted);
      node.classList.toggle("is-found", isFound);
      if (isFound) first ??= node;
    }
    this.toggleAttribute("finding", wanted !== "");
    this.#show(first);
  }

  // Moving about

  #show(node) {
    const view = this.querySelector(".graph__view");
    if (!node || !view) return;
    const [x, y] = place(node);
    view.scrollLeft = x * this.#scale - (view.clientWidth - 184) / 2;
    view.scrollTop = y * this.#scale - (view.clientHeight - 40) / 2;
  }

  #zoomBy(button) {
    if (button) this.#zoom(button.dataset.zoom === "0" ? this.#fit() : this.#scale * STEP ** button.dataset.zoom);
  }

  #fit() {
    const view = this.querySelector(".graph__view");
    const [width, height] = this.#size();
    return Math.min(1, view.clientWidth / width, view.clientHeight / height);
  }

  #wheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.#zoom(this.#scale * (event.deltaY < 0 ? STEP : 1 / STEP));
  }

  #size() {
    return this.querySelector(".graph__svg").getAttribute("viewBox").split(" ").slice(2).map(Number);
  }

  #zoom(scale) {
    this.#scale = Math.min(2.5, Math.max(0.1, scale));
    const svg = this.querySelector(".graph__svg");
    const [width, height] = this.#size();
    svg.setAttribute("width", Math.round(width * this.#scale));
    svg.setAttribute("height", Math.round(height * this.#scale));
  }

  #drag(view, signal) {
    let from = null;
    view.addEventListener(
      "pointerdown",
      (event) => {
        if (event.button !== 0 || event.pointerType === "touch" || event.target.closest(".node")) return;
        from = [event.clientX + view.scrollLeft, event.clientY + view.scrollTop];
        view.setPointerCapture(event.pointerId);
      },
      { signal },
    );
    view.addEventListener(
      "pointermove",
      (event) => {
        if (from) view.scrollTo(from[0] - event.clientX, from[1] - event.clientY);
      },
      { signal },
    );
    for (const end of ["pointerup", "pointercancel"]) view.addEventListener(end, () => (from = null), { signal });
  }
}

function place(node) {
  return [Number(node.dataset.x), Number(node.dataset.y)];
}

function segment([status, x, width]) {
  const rect = document.createElementNS(SVG, "rect");
  rect.setAttribute("x", x);
  rect.setAttribute("width", width);
  rect.dataset.status = status;
  return rect;
}

customElements.define("run-graph", RunGraph);
