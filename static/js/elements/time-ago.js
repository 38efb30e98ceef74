// <time-ago datetime="ISO">: how long ago, in words. Keeps the title of a <time> inside.
import { formatAge, secondsSince, tick } from "../lib/time.js";

class TimeAgo extends HTMLElement {
  static observedAttributes = ["datetime"];
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
    const seconds = secondsSince(this.getAttribute("datetime"));
    if (Number.isNaN(seconds)) return;
    const place = this.querySelector("time") ?? this;
    const text = formatAge(seconds);
    if (place.textContent !== text) place.textContent = text;
  }
}

customElements.define("time-ago", TimeAgo);
