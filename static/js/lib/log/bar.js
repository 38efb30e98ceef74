// What stands above a log: the search with its count, levels with ways to the next line of each, times, and the picked lines.
import { Finder } from "./finder.js";
import { ask } from "./asking.js";

const WRAP = "stepwell:wrap";
const TIMES = "stepwell:times";
const DARK = "stepwell:dark-logs";

export class LogBar {
  #view;
  #form;
  #levelLines = new Map(); // level -> {lines, upTo}
  #listeners = new AbortController();

  constructor(view) {
    this.#view = view;
    this.#form = view.querySelector(".log-bar");
    const options = { signal: this.#listeners.signal };
    this.finder = new Finder(this.#form, `${view.url}search`, (isNew) => this.#found(isNew));
    this.#form.elements.q.addEventListener("keydown", (event) => this.#typed(event), options);
    view.addEventListener("click", (event) => this.#clicked(event), options);
    document.addEventListener("keydown", (event) => this.#pressed(event), options);
    this.#part("wrap").addEventListener("change", (event) => this.#wrap(event.target.checked), options);
    this.#part("times")?.addEventListener("change", (event) => this.#showTimes(event.target.checked), options);
    this.#part("dark")?.addEventListener("change", (event) => this.#darken(event.target.checked), options);
    this.#showCount();
    if (localStorage.getItem(DARK)) this.#darken(true);
    if (kept(WRAP, view.hasAttribute("wrap"))) view.wrap((this.#part("wrap").checked = true));
    if (this.#part("times") && kept(TIMES, view.hasAttribute("times"))) this.#showTimes((this.#part("times").checked = true));
  }

  close() {
    this.#listeners.abort();
    this.finder.close();
  }

  showLevels(counts) {
    for (const [level, count] of Object.entries(counts)) {
      const place = this.#form.querySelector(`[data-count="${level}"]`);
      if (!place) continue;
      place.textContent = count.toLocaleString("en");
      place.classList.toggle("is-none", !count);
      for (const button of this.#form.querySelectorAll(`[data-level="${level}"] button`)) button.disabled = !count;
    }
  }

  /** Offer to copy the lines that are picked. */
  showPicks() {
    const range = this.#view.picks.range;
    const button = this.#part("copy");
    button.hidden = !range;
    if (range) button.textContent = range[0] === range[1] ? "Copy line" : `Copy ${range[1] - range[0] + 1} lines`;
  }

  #part(name) {
    return this.#view.querySelector(`[data-part="${name}"]`);
  }

  #found(isNew) {
    this.#view.remap();
    this.#showCount();
    this.#showDownload();
    if (isNew && this.finder.hits?.length) this.#view.show(this.finder.hits[this.finder.current]);
    else if (isNew && this.finder.shown) this.#view.scroller.to(0);
  }

  #showCount() {
    const { error, hits, current, total, isComplete } = this.finder;
    const more = isComplete ? "" : "+ (the search took too long)";
    let words = hits && (total ? `${(current + 1).toLocaleString("en")} of ${total.toLocaleString("en")}${more}` : "0 of 0");
    if (hits && !total && !isComplete) words = "The search took too long";
    this.#part("count").textContent = error || words || "";
    this.#view.querySelector(".log__empty").toggleAttribute("data-filtered", this.finder.shown !== null);
    this.#part("count").classList.toggle("bad", Boolean(error));
    for (const name of ["previous", "next"]) this.#part(name).disabled = !hits?.length;
  }

  #showDownload() {
    const link = this.#part("download-shown");
    if (!link) return;
    const query = this.finder.query.toString();
    link.hidden = !query;
    link.href = `${this.#view.url}download?${query}`;
  }

  #step(by) {
    const line = this.finder.step(by);
    if (line) this.#view.show(line);
    this.#showCount();
  }

  #typed(event) {
    if (event.key === "Escape") this.#view.box.focus();
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (!this.finder.isBusy) this.#step(event.shiftKey ? -1 : 1);
  }

  #pressed(event) {
    if (event.key.toLowerCase() !== "f" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    const box = this.#form.elements.q;
    if (this.#view.hasAttribute("inset") && !this.#view.contains(document.activeElement)) return;
    // A second time it is the browser's own search.
    if (document.activeElement === box) return;
    event.preventDefault();
    box.focus();
    box.select();
  }

  #clicked(event) {
    const button = event.target.closest("button");
    if (!button) return;
    if (button === this.#part("next")) this.#step(1);
    else if (button === this.#part("previous")) this.#step(-1);
    else if (button === this.#part("copy")) this.#copy(button);
    else if (button.dataset.to) this.#toLevel(button.closest("[data-level]").dataset.level, Number(button.dataset.to));
  }

  /** Pick the next line of a level, from the picked line or the top of the view, around the ends. */
  async #toLevel(level, by) {
    const lines = await this.#linesOf(level);
    if (!lines.length) return;
    const picked = this.#view.picks.range?.[0];
    const at = picked ?? (by > 0 ? this.#view.topLine - 1 : this.#view.topLine);
    let index = by > 0 ? lines.findIndex((line) => line > at) : lines.findLastIndex((line) => line < at);
    if (index < 0) index = by > 0 ? 0 : lines.length - 1;
    this.#view.picks.pick(lines[index], false);
    this.#view.show(lines[index]);
    this.showPicks();
  }

  async #linesOf(level) {
    const known = this.#levelLines.get(level);
    if (known?.upTo === this.#view.lines) return known.lines;
    const { numbers } = await ask(`${this.#view.url}search`, `level=${level}`);
    this.#levelLines.set(level, { lines: numbers, upTo: this.#view.lines });
    return numbers;
  }

  async #copy(button) {
    const [first, last] = this.#view.picks.range;
    let text = this.#view.painter.textOf([first, last]);
    if (!text) text = await (await fetch(`${this.#view.url}raw?from=${first}&to=${last}`)).text();
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => this.showPicks(), 1500);
  }

  #wrap(isOn) {
    keep(WRAP, isOn, this.#view.hasAttribute("wrap"));
    this.#view.wrap(isOn);
  }

  /** Show lines as on a dark page, whatever the page around them is; a browser keeps it. */
  #darken(isOn) {
    keep(DARK, isOn);
    this.#view.classList.toggle("is-dark", isOn);
    if (this.#part("dark")) this.#part("dark").checked = isOn;
  }

  #showTimes(isOn) {
    keep(TIMES, isOn, this.#view.hasAttribute("times"));
    this.#view.classList.toggle("has-times", isOn);
    this.#view.painter.showTimes(isOn);
    if (this.#view.rows) this.#view.draw();
  }
}

// What a browser keeps is how it differs from what the person has on their account.
function keep(name, isOn, usual = false) {
  if (isOn === usual) localStorage.removeItem(name);
  else localStorage.setItem(name, isOn ? "1" : "0");
}

function kept(name, usual) {
  const value = localStorage.getItem(name);
  return value === null ? usual : value === "1";
}
