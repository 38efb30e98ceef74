// Scrolling over any number of rows of one height. Browsers cut elements off at 11 to 33 million pixels, so a taller list
// gets a scrollbar for a part of its height: dragging it jumps in proportion, wheel, touch and keys still move pixel by pixel.
export const ROW = 20;
const TALLEST = 8_000_000;
const SETTLE = 120; // ms after the last small move, the scrollbar's thumb is put where it belongs

export class Scroller {
  rows = 0;
  top = 0; // px from the top of the whole list
  #box;
  #canvas;
  #seen = 0;
  #timer = 0;
  #moved;
  #onScroll = () => this.#scrolled();

  /** `box` scrolls, `canvas` in it is as tall as the list; `moved(byPerson)` draws what is in view. */
  constructor(box, canvas, moved) {
    [this.#box, this.#canvas, this.#moved] = [box, canvas, moved];
    box.addEventListener("scroll", this.#onScroll, { passive: true });
  }

  close() {
    this.#box.removeEventListener("scroll", this.#onScroll);
    clearTimeout(this.#timer);
  }

  get view() {
    return this.#box.clientHeight;
  }

  get isAtEnd() {
    return this.#range - this.top < ROW;
  }

  /** Say how many rows there are; what is in view stays. */
  setRows(rows) {
    this.rows = rows;
    const height = `${Math.min(rows * ROW, TALLEST)}px`;
    if (this.#canvas.style.height !== height) this.#canvas.style.height = height;
    if (this.#isScaled || this.top > this.#range) this.#place();
  }

  /** Show a row: at the top of the view, or `at` rows below it. */
  toRow(row, at = 0) {
    this.to((row - at) * ROW);
  }

  to(px) {
    this.top = px;
    this.#place();
    this.#moved(false);
  }

  toEnd() {
    this.to(this.rows * ROW);
  }

  get #range() {
    return Math.max(0, this.rows * ROW - this.view);
  }

  get #isScaled() {
    return this.rows * ROW > TALLEST;
  }

  #place() {
    this.top = Math.max(0, Math.min(this.top, this.#range));
    const native = this.#isScaled ? (this.top / this.#range) * (TALLEST - this.view) : this.top;
    if (Math.abs(native - this.#box.scrollTop) >= 1 || !this.#isScaled) this.#box.scrollTop = native;
    this.#seen = this.#box.scrollTop;
  }

  #scrolled() {
    const now = this.#box.scrollTop;
    const moved = now - this.#seen;
    this.#seen = now;
    if (!moved) return;
    if (!this.#isScaled) this.top = now;
    else if (Math.abs(moved) < this.view) this.#creep(moved);
    else this.top = (now / (TALLEST - this.view)) * this.#range;
    this.#moved(true);
  }

  #creep(px) {
    this.top = Math.max(0, Math.min(this.top + px, this.#range));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#place(), SETTLE);
  }
}
