// The lines of a log a page has, as HTML by number; it asks the server for those that are missing, one request at a time.
const BLOCK = 128; // lines asked for together
const MOST_LINES = 12000;
const KEPT_LINES = 8000;
const RETRY = 1000; // ms

export class LineStore {
  #url;
  #arrived;
  #lines = new Map();
  #isBusy = false;
  #retryAt = 0;

  /** `url` answers ?from=&n= and ?at=1,5; `arrived()` is called when lines came. */
  constructor(url, arrived) {
    [this.#url, this.#arrived] = [url, arrived];
  }

  get(line) {
    return this.#lines.get(line);
  }

  /** Take lines as HTML, one element each. What is known already stays, unless it is `newer`. */
  add(html, newer = true) {
    for (const piece of html.split("</div>")) {
      const number = Number(/^<div [^>]*?id="L(\d+)"/.exec(piece)?.[1]);
      if (number && (newer || !this.#lines.has(number))) this.#lines.set(number, `${piece}</div>`);
    }
  }

  /** Have the lines of `numbers` sooner or later; asked again with others, the older wish is forgotten. */
  want(numbers) {
    const missing = numbers.filter((number) => !this.#lines.has(number));
    if (!missing.length || this.#isBusy || performance.now() < this.#retryAt) return;
    this.#ask(missing, numbers);
  }

  async #ask(missing, wanted) {
    this.#isBusy = true;
    try {
      const [asked, query] = question(missing);
      const answer = await fetch(this.#url + query);
      if (!answer.ok) throw new Error(String(answer.status));
      this.add(await answer.text(), false);
      // A line that is not there: asked for no more.
      for (const line of asked) if (!this.#lines.has(line)) this.#lines.set(line, "");
      this.#shrink(new Set(wanted));
    } catch {
      this.#retryAt = performance.now() + RETRY;
      setTimeout(() => this.#arrived(), RETRY + 50);
    }
    this.#isBusy = false;
    this.#arrived();
  }

  #shrink(wanted) {
    if (this.#lines.size <= MOST_LINES) return;
    for (const line of this.#lines.keys()) {
      if (this.#lines.size <= KEPT_LINES) return;
      if (!wanted.has(line)) this.#lines.delete(line);
    }
  }
}

/** Which of the missing lines to ask for now, and how: lines that stand apart by their numbers, others by the block. */
function question(missing) {
  if (missing.at(-1) - missing[0] > 4 * BLOCK) {
    const asked = missing.slice(0, BLOCK);
    return [asked, `?at=${asked.join(",")}`];
  }
  const start = missing[0] - ((missing[0] - 1) % BLOCK);
  const asked = missing.filter((line) => line < start + 3 * BLOCK);
  const count = Math.ceil((asked.at(-1) - start + 1) / BLOCK) * BLOCK;
  return [asked, `?from=${start}&n=${count}`];
}
