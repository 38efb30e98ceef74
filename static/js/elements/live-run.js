// <live-run run="UUID" after="SEQ">: a run's page. Its events reload the parts marked data-live, at most four times a second;
// its beats move <beat-age>, a step's progress reloads them too; a change of the run's status shows in the tab's title and icon.
import { paced, reload } from "../lib/pace.js";
import { subscribe } from "../lib/socket.js";

const INTERVAL = 250;
const MARKS = { running: "◐", completed: "✓", failed: "✗", cancelled: "⊘", cancelling: "⊘", queued: "◌", paused: "⏸" };

class LiveRun extends HTMLElement {
  #leave = null;
  #reload = null;
  #progress = new Map(); // attempt -> what its progress was, as JSON

  connectedCallback() {
    this.#reload = paced(() => reload(this), INTERVAL);
    this.#leave = subscribe(`run:${this.getAttribute("run")}`, Number(this.getAttribute("after")) || 0, (message) =>
      this.#take(message),
    );
  }

  disconnectedCallback() {
    this.#leave();
    this.#reload.stop();
  }

  #take(message) {
    if (message.type === "beat") return this.#beat(message.attempts);
    if (message.type === "events") this.#story(message);
    if (message.type === "gone") this.dispatchEvent(new CustomEvent("run-gone", { bubbles: true }));
    this.#reload();
  }

  #story({ events, to }) {
    // A page taken from the browser's memory goes on from here, not from where the server rendered it.
    this.setAttribute("after", to);
    for (const { kind, payload } of events) {
      if (kind === "run.status") this.#showStatus(payload.status);
    }
    this.dispatchEvent(new CustomEvent("run-events", { detail: events, bubbles: true }));
  }

  #showStatus(status) {
    const mark = MARKS[status];
    if (!mark) return;
    this.dataset.status = status;
    const marks = Object.values(MARKS).join("");
    document.title = `${mark} ${document.title.replace(new RegExp(`^[${marks}]\\s*`, "u"), "")}`;
    const icon = document.getElementById("favicon") ?? document.querySelector('link[rel="icon"]');
    if (icon) icon.href = icon.href.replace(/favicon-[a-z]+(?=[.-])/, `favicon-${status}`);
  }

  #beat(attempts) {
    for (const [id, { beat_at: at, progress }] of Object.entries(attempts)) {
      const ages = this.querySelectorAll(`beat-age[attempt="${id}"], [data-attempt="${id}"] beat-age`);
      for (const age of at ? ages : []) age.setAttribute("at", at);
      const text = JSON.stringify(progress);
      // What is told first is what the server just rendered.
      if (this.#progress.has(id) && this.#progress.get(id) !== text) this.#reload();
      this.#progress.set(id, text);
    }
  }
}

customElements.define("live-run", LiveRun);
