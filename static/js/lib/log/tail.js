// The growing end of a log: new lines from the socket, at most four times a second; stuck to the end until a person
// scrolls up, then counted. A tab out of sight listens to nothing and asks once when it is back.
import { announce } from "../announce.js";
import { make } from "../dom.js";
import { paced } from "../pace.js";
import { goStale, subscribe } from "../socket.js";

const INTERVAL = 250; // ms between two changes of the page
const LOOK = 1000; // ms between two looks at what else changed: folds, lines that match

export class Tail {
  isPinned = false;
  #view;
  #leave = null;
  #waiting = [];
  #unseen = 0;
  #pill = null;
  #lookedTo = 0;
  #reached = 0; // bytes of the log
  #apply = null;
  #look = null;
  #hidden = () => this.#turned();

  constructor(view) {
    this.#view = view;
  }

  /** Listen, if more can come. */
  open() {
    if (!this.#view.hasAttribute("live")) return;
    document.addEventListener("visibilitychange", this.#hidden);
    this.#lookedTo = this.#view.lines;
    if (!document.hidden) this.#listen();
  }

  close() {
    document.removeEventListener("visibilitychange", this.#hidden);
    if (this.#leave) this.#stop();
  }

  /** Go to the end and stay there. */
  pin() {
    this.isPinned = true;
    this.#view.scroller.toEnd();
    this.#seeAll();
  }

  /** A person scrolled. */
  scrolled() {
    this.isPinned = this.#view.scroller.isAtEnd;
    if (this.isPinned) this.#seeAll();
  }

  #listen() {
    this.#apply = paced(() => this.#draw(), INTERVAL);
    this.#look = paced(() => this.#refresh(), LOOK);
    this.#reached = this.#view.outline.after;
    const topic = `log:${this.#view.getAttribute("attempt")}`;
    this.#leave = subscribe(topic, this.#reached, (message) => this.#take(message));
  }

  #stop() {
    this.#leave();
    this.#apply.stop();
    this.#look.stop();
    [this.#leave, this.#waiting] = [null, []];
  }

  async #turned() {
    if (document.hidden) {
      if (this.#leave) this.#stop();
      return;
    }
    if (this.#leave) return;
    await this.#refresh();
    if (!document.hidden && !this.#leave) this.#listen();
  }

  #take(message) {
    if (message.type === "gone" || (message.type === "resync" && message.at < this.#reached)) return goStale();
    if (message.type !== "log" && message.type !== "resync") return;
    this.#reached = message.to ?? message.at;
    this.#waiting.push(message);
    this.#apply();
  }

  #draw() {
    const before = this.#view.lines;
    let html = "";
    let lines = before;
    for (const message of this.#waiting) {
      if (message.type === "resync") lines = Math.max(lines, message.line - 1);
      else {
        html += message.html + message.partial;
        lines = Math.max(lines, message.first_line + message.lines - (message.partial ? 0 : 1));
      }
    }
    this.#waiting = [];
    this.#view.store.add(html);
    this.#view.dataset.updates = Number(this.#view.dataset.updates ?? 0) + 1;
    this.#view.grow(lines);
    if (!this.isPinned) this.#count(lines - before);
    // A last line that comes once more, now whole, is nothing new.
    if (lines > before) this.#look();
  }

  /** What the lines alone do not tell: counts of levels, folds, and which of the new lines match. */
  async #refresh() {
    const answer = await fetch(`${this.#view.url}outline`).catch(() => null);
    if (!answer?.ok) return;
    const before = this.#view.lines;
    this.#view.take(await answer.json());
    if (!this.isPinned) this.#count(this.#view.lines - before);
    await this.#view.bar.finder.extend(Math.max(1, this.#lookedTo));
    this.#lookedTo = this.#view.lines;
  }

  #count(lines) {
    if (lines <= 0 || this.#view.bar.finder.shown) return;
    this.#unseen += lines;
    if (!this.#pill) {
      this.#pill = make("button", { type: "button", className: "pill log__pill", onclick: () => this.pin() });
      this.#view.box.after(this.#pill);
    }
    this.#pill.textContent = this.#unseen === 1 ? "1 new line" : `${this.#unseen.toLocaleString("en")} new lines`;
    announce(this.#pill.textContent);
  }

  #seeAll() {
    this.#unseen = 0;
    this.#pill = this.#pill?.remove() ?? null;
  }
}
