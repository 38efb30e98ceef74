// <beat-age at="ISO" attempt="UUID">: how old the newest heartbeat is; <live-run> moves `at` when one comes.
import { formatAge, secondsSince, tick } from "../lib/time.js";

class BeatAge extends HTMLElement {
  static observedAttributes = ["at"];
  #stop = null;

  connectedCallback() {
    this.#stop ??= tick(() => this.#paint());
  }

  disconnectedCallback() {
    this.#stop?.();
    this.#stop = null;
  }

  attributeChangedCallback() {
    if (this.#stop) this.#paint();
  }

  #paint() {
    // A beat is never in the future: what looks so is two clocks apart.
    const seconds = Math.max(0, secondsSince(this.getAttribute("at")));
    if (Number.isNaN(seconds)) return;
    const text = formatAge(seconds);
    if (this.textContent !== text) this.textContent = text;
  }
}

customElements.define("beat-age", BeatAge);
