// <duration-tick start="ISO">: how long something has been going on.
import { formatDuration, secondsSince, tick } from "../lib/time.js";

class DurationTick extends HTMLElement {
  #stop = null;

  connectedCallback() {
    this.#stop ??= tick(() => this.#paint());
  }

  disconnectedCallback() {
    this.#stop?.();
    this.#stop = null;
  }

  #paint() {
    const seconds = secondsSince(this.getAttribute("start"));
    if (Number.isNaN(seconds)) return;
    // Tenths would stand still between two ticks: whole seconds while it grows.
    this.textContent = formatDuration(Math.max(1, Math.round(seconds))).replace(".0 ", " ");
  }
}

customElements.define("duration-tick", DurationTick);
