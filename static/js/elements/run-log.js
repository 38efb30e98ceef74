// <run-log zone="ZONE">: the end of a whole run's log. Lines of the steps in its list are appended as they come, at most four
// times a second; it sticks to the end unless a person scrolled up. Steps that begin later join through the list.
import { make } from "../lib/dom.js";
import { paced } from "../lib/pace.js";
import { subscribe } from "../lib/socket.js";

const INTERVAL = 250;
const MOST_LINES = 2000;
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" };

class RunLog extends HTMLElement {
  #leaves = new Map(); // attempt -> what ends listening
  #waiting = [];
  #draw = null;
  #watcher = null;

  connectedCallback() {
    this.box = this.querySelector(".log");
    this.rows = this.querySelector(".log__rows");
    this.clock = new Intl.DateTimeFormat("en-GB", { ...CLOCK, timeZone: this.getAttribute("zone") || "UTC" });
    this.#draw = paced(() => this.#apply(), INTERVAL);
    this.#watcher = new MutationObserver(() => this.#follow());
    this.#watcher.observe(this, { childList: true });
    this.box.classList.remove("log--end");
    const grows = this.querySelector("#log-followed").hasAttribute("hx-get");
    if (grows && !this.hasAttribute("from-start")) this.box.scrollTop = this.box.scrollHeight;
    this.#follow();
  }

  disconnectedCallback() {
    for (const leave of this.#leaves.values()) leave();
    this.#leaves.clear();
    this.#watcher.disconnect();
    this.#draw.stop();
  }

  #follow() {
    // A step that began after the page was rendered is shown from its first line.
    const isNew = this.hasAttribute("started");
    for (const { dataset } of this.querySelectorAll("#log-followed > li")) {
      if (this.#leaves.has(dataset.attempt)) continue;
      const log = { ...dataset, seen: isNew ? 0 : Number(dataset.line) };
      const leave = subscribe(`log:${log.attempt}`, isNew ? 0 : Number(log.after), (message) => {
        if (message.type === "log") this.#waiting.push({ log, html: message.html });
        this.#draw();
      });
      this.#leaves.set(dataset.attempt, leave);
    }
    this.setAttribute("started", "");
  }

  #apply() {
    const wasAtEnd = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 24;
    for (const { log, html } of this.#waiting) this.#append(log, html);
    this.#waiting = [];
    for (let extra = this.rows.childElementCount - MOST_LINES; extra > 0; extra -= 1) this.rows.firstChild.remove();
    if (wasAtEnd) this.box.scrollTop = this.box.scrollHeight;
  }

  #time(at) {
    const text = this.clock.format(at);
    const utc = `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
    return make("time", { textContent: text, title: `${text} ${this.clock.resolvedOptions().timeZone} · ${utc}` });
  }

  #append(log, html) {
    const piece = document.createElement("template");
    piece.innerHTML = html;
    for (const line of [...piece.content.children]) {
      const number = Number(line.id.slice(1));
      // The last line the server rendered may not have been whole: it is left as it is.
      if (number <= log.seen) continue;
      log.seen = number;
      line.removeAttribute("id");
      const at = line.dataset.at ? new Date(line.dataset.at * 1000) : new Date();
      const step = make("a", { className: "log__step", href: `${log.url}#L${number}`, title: log.step, textContent: log.step });
      line.querySelector(".no").replaceWith(this.#time(at), step);
      this.rows.append(line);
    }
    this.querySelector(".log__empty").hidden = true;
  }
}

customElements.define("run-log", RunLog);
