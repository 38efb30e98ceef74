// <count-down to="ISO">: how long it is until then, as 02:05.
import { secondsSince, tick } from "../lib/time.js";

const two = (number) => String(number).padStart(2, "0");

class CountDown extends HTMLElement {
  #stop = null;

  connectedCallback() {
    this.#stop ??= tick(() => this.#paint());
  }

  disconnectedCallback() {
    this.#stop?.();
    this.#stop = null;
  }

  #paint() {
    const seconds = Math.ceil(Math.max(0, -secondsSince(this.getAttribute("to"))));
    if (Number.isNaN(seconds)) return;
    const hours = Math.floor(seconds / 3600);
    const text = `${hours ? `${hours}:` : ""}${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
    if (this.textContent !== text) this.textContent = text;
  }
}

customElements.define("count-down", CountDown);
