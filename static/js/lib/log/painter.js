// Draws the rows in view: keeps those that stay, so that a selection survives, and marks picks, hits and folds.
import { textOf } from "./picks.js";

const HITS = "log-hit";

export class Painter {
  #view;
  #layer;
  #canvas;
  #drawn = new Map(); // line -> {html, element}
  #widest = 0;
  #clock = null; // formats times while they are shown

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
    this.#layer.style.transform = `translateY(${-Math.round(px)}px)`;
    this.#mark(numbers);
    this.#widen();
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
    if (width <= this.#widest) return;
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
