// Draws the rows in view: keeps those that stay, so that a selection survives, and marks picks, hits and folds.
import { textOf } from "./picks.js";
import { ROW } from "./scroller.js";

const HITS = "log-hit";

export class Painter {
  #view;
  #layer;
  #canvas;
  #drawn = new Map(); // line -> {html, element}
  #widest = 0;
  #clock = null; // formats times while they are shown
  #isWrapped = false;
  #rows = []; // the elements as they stand, while they wrap
  #shift = 0;

  constructor(view, layer, canvas) {
    [this.#view, this.#layer, this.#canvas] = [view, layer, canvas];
  }

  /** Show these lines, the first `px` above the view's upper edge. */
  paint(numbers, px) {
    const next = new Map();
    const missing = [];
    for (const number of numbers) {
      const html = this.#view.store.get(number) || waiting(number);
      const known = this.#drawn.get(number);
      if (known?.html === html) next.set(number, known);
      else missing.push([number, html]);
    }
    for (const [number, html, element] of made(missing)) next.set(number, { html, element });
    this.#place(numbers, next);
    this.#drawn = next;
    this.#mark(numbers);
    this.#rows = this.#isWrapped ? numbers.map((number) => next.get(number).element) : [];
    this.#layer.style.transform = `translateY(${-Math.round(this.#isWrapped ? this.#reach(numbers, px) : px)}px)`;
    this.#widen();
  }

  /** Break long lines where the view ends, or no longer. */
  wrap(isOn) {
    this.#isWrapped = isOn;
    this.#widest = 0;
    this.#canvas.style.minInlineSize = "";
  }

  /** Show the time each line was written, in the person's zone, or no longer. */
  showTimes(isOn) {
    const zone = this.#view.getAttribute("zone") || "UTC";
    const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" };
    this.#clock = isOn ? new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone }) : null;
  }

  /** The text of lines first to last, as far as they are here. */
  textOf([first, last]) {
    const texts = [];
    for (let line = first; line <= last; line += 1) {
      const html = this.#view.store.get(line);
      if (!html) return "";
      texts.push(textOf(html));
    }
    return texts.join("\n");
  }

  #place(numbers, next) {
    for (const [number, { element }] of this.#drawn) {
      if (next.get(number)?.element !== element) element.remove();
    }
    let place = this.#layer.firstChild;
    for (const number of numbers) {
      const { element } = next.get(number);
      if (element === place) place = place.nextSibling;
      else this.#layer.insertBefore(element, place);
    }
  }

  /** Where in the rows the view's upper edge lies. Wrapped rows are of any height, and the last ends at the lower edge. */
  #reach(numbers, px) {
    this.#shift = this.#rows.length ? this.#edge(px) : 0;
    const { scroller, rows } = this.#view;
    const last = this.#rows.at(-1);
    scroller.end = Infinity;
    if (!last || numbers.at(-1) !== rows.lineAt(rows.count - 1)) return this.#shift;
    const end = Math.max(0, last.offsetTop + last.offsetHeight - scroller.view);
    if (this.#shift < end) return this.#shift;
    this.#shift = end;
    scroller.endAt(scroller.top - px + this.#listed(end));
    return end;
  }

  /** How far in the list, in which every row is one high, a way of so many px in the view leads. */
  walk(px) {
    return this.#listed(this.#shift + px) - this.#listed(this.#shift);
  }

  /** From px of the list, from the first row drawn, to px of the rows as they are. */
  #edge(px) {
    const index = Math.min(this.#rows.length - 1, Math.floor(px / ROW));
    return this.#rows[index].offsetTop + (px / ROW - index) * this.#rows[index].offsetHeight;
  }

  #listed(y) {
    const index = Math.max(0, this.#rows.findLastIndex((row) => row.offsetTop <= y));
    const row = this.#rows[index];
    return row ? ROW * (index + (y - row.offsetTop) / row.offsetHeight) : 0;
  }

  #mark(numbers) {
    const { finder } = this.#view.bar;
    const hits = new Set(this.#hitsIn(numbers));
    const current = finder.hits?.[finder.current];
    const ranges = [];
    for (const number of numbers) {
      const { element } = this.#drawn.get(number);
      element.classList.toggle("is-picked", this.#view.picks.has(number));
      element.classList.toggle("is-hit", hits.has(number));
      element.classList.toggle("is-current", number === current);
      this.#fold(element, finder.shown ? null : this.#view.folds.at(number));
      this.#time(element);
      if (hits.has(number)) ranges.push(...found(element, finder.pattern));
    }
    if (typeof Highlight === "function") CSS.highlights.set(HITS, new Highlight(...ranges));
  }

  #hitsIn(numbers) {
    const { hits } = this.#view.bar.finder;
    if (!hits?.length || !numbers.length) return [];
    let [low, high] = [0, hits.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (hits[middle] < numbers[0]) low = middle + 1;
      else high = middle;
    }
    const inView = [];
    for (; low < hits.length && hits[low] <= numbers.at(-1); low += 1) inView.push(hits[low]);
    return inView;
  }

  #fold(element, fold) {
    let button = element.querySelector(".fold");
    if (!fold || fold.isOpen) delete element.dataset.folded;
    if (!fold) return button?.remove();
    if (!button) {
      button = document.createElement("button");
      Object.assign(button, { type: "button", className: "fold" });
      element.querySelector(".no").after(button);
    }
    const count = fold.last - fold.first + 1;
    button.setAttribute("aria-expanded", fold.isOpen);
    button.textContent = fold.isOpen ? "▾" : "▸";
    const words = `${count.toLocaleString("en")} ${count === 1 ? "line" : "lines"}`;
    if (!fold.isOpen) element.dataset.folded = words;
    button.setAttribute("aria-label", `${fold.isOpen ? "Fold" : "Unfold"} ${words}`);
  }

  #time(element) {
    const at = element.dataset.at;
    const known = element.querySelector("time");
    if (!this.#clock || !at) return known?.remove();
    if (known) return;
    const time = document.createElement("time");
    time.textContent = this.#clock.format(new Date(at * 1000));
    element.querySelector(".line > span").before(time);
  }

  #widen() {
    const width = this.#layer.scrollWidth;
    if (this.#isWrapped || width <= this.#widest) return;
    this.#widest = width;
    this.#canvas.style.minInlineSize = `${width}px`;
  }
}

function waiting(number) {
  return `<div class="line line--wait" id="L${number}"><a class="no" href="#L${number}">${number}</a><span></span></div>`;
}

function made(missing) {
  const piece = document.createElement("template");
  piece.innerHTML = missing.map(([, html]) => html).join("");
  const elements = [...piece.content.children];
  return missing.map(([number, html], index) => [number, html, elements[index]]);
}

function found(element, pattern) {
  if (!pattern) return [];
  const ranges = [];
  const text = document.createTreeWalker(element.querySelector(".line > span"), NodeFilter.SHOW_TEXT);
  while (text.nextNode()) {
    for (const match of text.currentNode.data.slice(0, 4000).matchAll(pattern)) {
      if (!match[0]) continue;
      const range = new Range();
      range.setStart(text.currentNode, match.index);
      range.setEnd(text.currentNode, match.index + match[0].length);
      ranges.push(range);
    }
  }
  return ranges;
}
