// <beat-age at="ISO" late="SECONDS" lost="SECONDS">: how old the newest heartbeat is, and a badge once it is late or lost.
// <live-run> moves `at` when a beat comes; silence needs no message.
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
    const [age, badge] = this.children;
    if (age.textContent !== text) age.textContent = text;
    const word = seconds > Number(this.getAttribute("lost")) ? "Lost" : seconds > Number(this.getAttribute("late")) ? "Late" : "";
    // The server knows more than silence: a step that is unhealthy by its own option stays so until it beats.
    if (word === badge.textContent || (word && badge.textContent === "Unhealthy")) return;
    badge.textContent = word;
    badge.hidden = !word;
    badge.dataset.status = word === "Late" ? "warning" : "lost";
  }
}

customElements.define("beat-age", BeatAge);
