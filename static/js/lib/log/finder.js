// The form above a log: words, levels and source, as they stand in the address where the page is about the log; which lines
// match is asked of the server. The form of an inset log has fewer fields.
import { ask } from "./asking.js";

const TYPING = 250; // ms without a key until a search begins
const FIELDS = ["q", "re", "case", "only", "level", "source"];

export class Finder {
  shown = null; // the only lines there are, or null for all
  hits = null; // the lines that match the words, or null
  total = 0;
  isComplete = true;
  current = -1; // index of the hit a person is at
  error = "";
  #form;
  #url;
  #isInAddress;
  #changed;
  #timer = 0;
  #search = null;
  #used = ""; // what was searched for
  #listeners = new AbortController();

  /** `changed(isNew)` is called when lines were found; `isNew` says for something else than before. */
  constructor(form, url, changed) {
    [this.#form, this.#url, this.#changed] = [form, url, changed];
    this.#isInAddress = !form.closest("[inset]");
    const options = { signal: this.#listeners.signal };
    form.addEventListener("submit", (event) => event.preventDefault(), options);
    form.addEventListener("input", (event) => event.target.name === "q" && this.#typed(), options);
    form.addEventListener("change", (event) => FIELDS.includes(event.target.name) && this.#chose(event.target), options);
    if (this.#isInAddress) addEventListener("popstate", () => this.#restore(), options);
    if (this.query.toString()) this.#run();
  }

  close() {
    this.#listeners.abort();
    this.#search?.abort();
    clearTimeout(this.#timer);
  }

  get query() {
    const asked = new URLSearchParams();
    for (const [name, value] of new FormData(this.#form)) {
      if (FIELDS.includes(name) && value && (asked.has("q") || !["re", "case", "only"].includes(name))) {
        asked.append(name, value);
      }
    }
    return asked;
  }

  get text() {
    return this.#form.elements.q.value;
  }

  /** Whether the words are still being searched for. */
  get isBusy() {
    return this.#search !== null || this.#timer !== 0;
  }

  /** Return the pattern that finds the words in a row, or null when it is better not tried in the browser. */
  get pattern() {
    if (!this.text || !this.isComplete) return null;
    const words = this.#form.elements.re?.checked ? this.text : this.text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    try {
      return new RegExp(words, this.#form.elements.case?.checked ? "gu" : "giu");
    } catch {
      return null;
    }
  }

  /** Go `by` hits further, around the ends; returns the line, 0 when there is none. */
  step(by) {
    if (!this.hits?.length) return 0;
    this.current = (this.current + by + this.hits.length) % this.hits.length;
    return this.hits[this.current];
  }

  /** Look at the lines from `first` on as well: the log grew. */
  async extend(first) {
    if (!this.query.toString() || this.isBusy) return;
    await this.#run(first);
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#apply("replaceState"), TYPING);
  }

  #chose(field) {
    this.#apply(field.name === "q" ? "replaceState" : "pushState");
  }

  #apply(method) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const query = this.query.toString();
    if (query === this.#used && !(this.#isInAddress && query !== new URLSearchParams(location.search).toString())) return;
    if (this.#isInAddress) history[method](null, "", `${location.pathname}${query && `?${query}`}${location.hash}`);
    this.#run();
  }

  #restore() {
    const asked = new URLSearchParams(location.search);
    for (const field of this.#form.elements) {
      if (!FIELDS.includes(field.name)) continue;
      if (field.type === "checkbox") field.checked = asked.getAll(field.name).includes(field.value);
      else field.value = asked.get(field.name) ?? "";
    }
    if (this.query.toString() !== this.#used) this.#run();
  }

  async #run(first = 0) {
    this.#search?.abort();
    const search = (this.#search = new AbortController());
    const query = this.query;
    this.#used = query.toString();
    const from = first ? `&from=${first}` : "";
    try {
      const hits = query.has("q") ? await ask(this.#url, query + from, search.signal) : null;
      const filters = query.has("level") || query.has("source");
      const onlyHits = query.has("only") && hits;
      const shown = onlyHits ? hits : filters ? await ask(this.#url, `${query}&shown=1${from}`, search.signal) : null;
      if (this.#search !== search) return;
      this.#take(hits, shown, first);
      this.error = "";
    } catch (error) {
      if (this.#search !== search) return;
      if (!first) [this.hits, this.shown, this.total] = [null, null, 0];
      this.error = error.message;
    }
    this.#search = null;
    this.#changed(!first);
  }

  #take(hits, shown, first) {
    this.hits = first ? added(this.hits, hits, first) : (hits?.numbers ?? null);
    this.shown = first ? added(this.shown, shown, first) : (shown?.numbers ?? null);
    this.total = hits ? (first ? this.hits.length : hits.total) : 0;
    if (!first) {
      this.isComplete = hits?.isComplete ?? true;
      this.current = hits?.numbers.length ? 0 : -1;
    } else if (this.current < 0 && this.hits?.length) this.current = 0;
  }
}

function added(known, found, first) {
  if (!known || !found) return known;
  const before = known.filter((line) => line < first);
  const all = new Uint32Array(before.length + found.numbers.length);
  all.set(before);
  all.set(found.numbers, before.length);
  return all;
}
