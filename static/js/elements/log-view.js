// <log-view>: one attempt's log of any length. Only the rows in view are in the page; lines come from the server by number,
// and over the tab's socket while the log grows. Without scripts the page it upgrades is a window of lines with links.
// `inset` is one in a page about something else: what is searched for there is not in the address.
import { Folds } from "../lib/log/folds.js";
import { LogBar } from "../lib/log/bar.js";
import { Painter } from "../lib/log/painter.js";
import { Picks } from "../lib/log/picks.js";
import { ChosenRows, FoldedRows } from "../lib/log/rows.js";
import { Scroller } from "../lib/log/scroller.js";
import { LineStore } from "../lib/log/store.js";
import { Tail } from "../lib/log/tail.js";

const OVERSCAN = 6;
const MOST_ROWS = 190;
const WAYS = { ArrowUp: -40, ArrowDown: 40, PageUp: -0.9, PageDown: 0.9, " ": 0.9 }; // px, or parts of the view
const ABOVE = 6; // rows of context above a line that is shown

class LogView extends HTMLElement {
  connectedCallback() {
    this.url = this.getAttribute("url");
    this.box = this.querySelector(".log");
    this.lines = 0;
    this.folds = new Folds();
    this.picks = new Picks();
    this.store = new LineStore(`${this.url}lines`, () => this.draw());
    this.#upgrade();
    this.bar = new LogBar(this);
    this.tail = new Tail(this);
    this.listening = new AbortController();
    const options = { signal: this.listening.signal };
    this.box.addEventListener("click", (event) => this.#clicked(event), options);
    this.box.addEventListener("keydown", (event) => this.#pressed(event), options);
    this.box.addEventListener("wheel", (event) => this.#wheeled(event), { ...options, passive: false });
    this.box.addEventListener("copy", (event) => this.#copied(event), options);
    addEventListener("hashchange", () => this.picks.follow() && this.#toPicks(), options);
    addEventListener("popstate", () => this.picks.follow() && this.#toPicks(), options);
    this.resize = new ResizeObserver(() => this.#resized());
    this.resize.observe(this.box);
    this.#open();
  }

  disconnectedCallback() {
    this.listening.abort();
    this.resize.disconnect();
    this.scroller.close();
    this.tail.close();
    this.bar.close();
  }

  /** Take what the server says of the log as a whole. */
  take(outline) {
    this.outline = outline;
    this.folds.set(outline);
    this.lines = Math.max(this.lines, outline.lines);
    this.bar.showLevels(outline.levels);
    this.remap();
  }

  /** Say that the log has so many lines now. */
  grow(lines) {
    this.lines = Math.max(this.lines, lines);
    this.remap();
  }

  /** Find anew which line stands in which row, and keep the line at the top of the view there. */
  remap() {
    const top = this.rows?.count ? this.rows.lineAt(Math.min(this.rows.count - 1, Math.floor(this.scroller.top / 20))) : 0;
    const wasAtEnd = this.tail?.isPinned;
    const { shown } = this.bar.finder;
    this.rows = shown ? new ChosenRows(shown) : new FoldedRows(this.lines, this.folds.hidden);
    this.scroller.setRows(this.rows.count);
    this.querySelector(".log__empty").hidden = this.rows.count > 0;
    if (wasAtEnd) this.scroller.toEnd();
    else if (top && this.rows.lineAt(Math.floor(this.scroller.top / 20)) !== top) this.scroller.toRow(this.rows.rowOf(top));
    else this.draw();
  }

  /** Bring a line into view; what hides it opens. */
  show(line) {
    this.tail.isPinned = false;
    if (!this.bar.finder.shown && this.folds.reveal(line)) this.remap();
    const row = this.rows.rowOf(line);
    const first = this.scroller.top / 20;
    if (this.isWrapped) this.scroller.toRow(row, 1);
    else if (row < first + 1 || row > first + this.scroller.view / 20 - 3) this.scroller.toRow(row, ABOVE);
    else this.draw();
  }

  /** The first line a person sees. */
  get topLine() {
    return this.rows.count ? this.rows.lineAt(Math.min(this.rows.count - 1, Math.round(this.scroller.top / 20))) : 0;
  }

  get isWrapped() {
    return this.classList.contains("is-wrapped");
  }

  /** Break long lines, or no longer; the line at the top stays there. */
  wrap(isOn) {
    this.classList.toggle("is-wrapped", isOn);
    this.painter.wrap(isOn);
    this.scroller.walk = isOn ? (px) => this.painter.walk(px) : null;
    if (this.rows) this.#resized();
  }

  draw() {
    const inView = Math.ceil(this.scroller.view / 20);
    // Where rows are of different heights, a page up must be there to be measured.
    const above = OVERSCAN + (this.isWrapped ? inView : 0);
    const first = Math.max(0, Math.floor(this.scroller.top / 20) - above);
    const count = Math.min(MOST_ROWS, inView + above + OVERSCAN, this.rows.count - first);
    const numbers = Array.from({ length: Math.max(0, count) }, (_, index) => this.rows.lineAt(first + index));
    this.painter.paint(numbers, this.scroller.top - first * 20);
    this.store.want(numbers);
    this.dataset.first = this.topLine;
  }

  #upgrade() {
    const canvas = this.querySelector(".log__canvas");
    const layer = this.querySelector(".log__rows");
    this.store.add([...layer.querySelectorAll(".line")].map((line) => line.outerHTML).join(""));
    layer.replaceChildren();
    this.querySelector(".log-pages")?.remove();
    this.box.classList.remove("log--end");
    this.classList.add("is-live-view");
    this.painter = new Painter(this, layer, canvas);
    this.scroller = new Scroller(this.box, canvas, (byPerson) => {
      this.draw();
      if (byPerson) this.tail.scrolled();
    });
  }

  #open() {
    this.take(JSON.parse(this.querySelector("script").textContent));
    if (this.picks.range) this.#toPicks();
    else if (!this.bar.finder.query.toString() && !this.hasAttribute("from-start")) this.tail.pin();
    this.tail.open();
  }

  #toPicks() {
    if (this.picks.range) this.show(this.picks.range[0]);
    this.draw();
    this.bar.showPicks();
  }

  #resized() {
    this.scroller.setRows(this.rows.count);
    if (this.tail.isPinned) this.scroller.toEnd();
    else this.draw();
  }

  #clicked(event) {
    const line = event.target.closest(".line");
    const number = Number(line?.id.slice(1));
    if (!number) return;
    if (event.target.closest(".fold")) {
      this.folds.toggle(number);
      this.tail.isPinned = false;
      this.remap();
    } else if (event.target.closest(".no")) {
      event.preventDefault();
      this.picks.pick(number, event.shiftKey);
      if (event.shiftKey) getSelection().removeAllRanges();
      this.bar.showPicks();
      this.draw();
    }
  }

  #wheeled(event) {
    if (!this.isWrapped || event.ctrlKey || event.shiftKey) return;
    const unit = [1, 20, this.scroller.view][event.deltaMode];
    if (this.scroller.go(event.deltaY * unit)) event.preventDefault();
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = this.isWrapped && !event.target.closest("button, a") ? WAYS[event.key === " " && event.shiftKey ? "PageUp" : event.key] : 0;
    if (way) {
      event.preventDefault();
      this.scroller.go(Math.abs(way) < 1 ? way * this.scroller.view : way);
      return;
    }
    if (event.key === "End") this.tail.pin();
    else if (event.key === "Home") this.scroller.to(0);
    else return;
    if (event.key === "Home") this.tail.scrolled();
    event.preventDefault();
  }

  #copied(event) {
    const chosen = getSelection();
    const text = chosen.isCollapsed ? this.picks.range && this.painter.textOf(this.picks.range) : null;
    if (!text) return;
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  }
}

customElements.define("log-view", LogView);
