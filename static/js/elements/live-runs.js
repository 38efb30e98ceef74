// <live-runs>: a list of runs. Changed runs reload the parts marked data-live, at most once a second. While the person is
// down in the list or busy with its filters, rows stay where they are and a button counts the new runs instead.
import { make } from "../lib/dom.js";
import { paced, reload } from "../lib/pace.js";
import { subscribe } from "../lib/socket.js";

const INTERVAL = 1000;

class LiveRuns extends HTMLElement {
  #leave = null;
  #reload = null;
  #fresh = new Set();
  #button = null;

  connectedCallback() {
    this.#reload = paced(() => this.#refresh(), INTERVAL);
    this.#leave = subscribe("runs", Number(this.getAttribute("after")) || 0, (message) => this.#take(message));
  }

  disconnectedCallback() {
    this.#leave();
    this.#reload.stop();
  }

  #take(message) {
    const rows = message.type === "rows" ? message.rows : [];
    for (const { id } of rows) {
      if (!this.querySelector(`[data-run="${id}"]`)) this.#fresh.add(id);
    }
    this.#reload();
  }

  #refresh() {
    const isCalm = !this.#isBusy();
    if (isCalm) {
      this.#fresh.clear();
      reload(this);
    } else {
      // Rows that can load themselves do: nothing moves.
      reload(this, "[data-run][data-live]");
    }
    this.#offer();
  }

  #isBusy() {
    const active = document.activeElement;
    const inFilter = active?.closest("form") && this.contains(active);
    return scrollY > 200 || Boolean(inFilter) || Boolean(this.querySelector("dialog[open], details[open]"));
  }

  #offer() {
    const number = this.#fresh.size;
    if (!number) {
      this.#button?.remove();
      this.#button = null;
      return;
    }
    if (!this.#button) {
      this.#button = make("button", { type: "button", className: "pill", onclick: () => this.#show() });
      this.prepend(this.#button);
    }
    this.#button.textContent = number === 1 ? "1 new run" : `${number} new runs`;
  }

  #show() {
    const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    scrollTo({ top: 0, behavior: smooth ? "smooth" : "instant" });
    this.#fresh.clear();
    reload(this);
    this.#offer();
  }
}

customElements.define("live-runs", LiveRuns);
