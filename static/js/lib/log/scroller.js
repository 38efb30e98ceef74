// Scrolling over any number of rows of one height. Browsers cut elements off at 11 to 33 million pixels, so a taller list
// gets a scrollbar for a part of its height: dragging it jumps in proportion, wheel, touch and keys still move pixel by pixel.
export const ROW = 20;
const TALLEST = 8_000_000;
const isTouch = matchMedia("(pointer: coarse)");
const SETTLE = 120; // ms after the last small move, the scrollbar's thumb is put where it belongs

export class Scroller {
  rows = 0;
  top = 0; // px from the top of the whole list
  walk = null; // from px in the view to px of the list, where rows are of different heights
  end = Infinity; // then: the top at which the last row is whole, once that is known
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
    return this.walk ? this.top >= this.end - 1 : this.#range - this.top < ROW;
  }

  /** Say that the list ends at `px`: what lies behind is room that rows higher than one do not need. */
  endAt(px) {
    this.end = px;
    if (this.top === px) return;
    this.top = px;
    this.#settle();
  }

  /** Say how many rows there are; what is in view stays. */
  setRows(rows) {
    this.rows = rows;
    // Without rows there are words instead, as high as they are.
    const height = rows ? `${Math.min(this.#height, TALLEST)}px` : "";
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

  /** Go so many px of the view further, where rows are of different heights; whether there was any way to go. */
  go(px) {
    const to = Math.max(0, Math.min(this.top + this.walk(px), this.#range));
    if (to === this.top || (px > 0 && this.isAtEnd)) return false;
    this.top = to;
    this.#place();
    this.#moved(true);
    return true;
  }

  toEnd() {
    this.to(this.#height);
  }

  get #height() {
    return this.rows * ROW + (this.walk ? Math.max(0, this.view - ROW) : 0);
  }

  get #range() {
    return Math.max(0, this.#height - this.view);
  }

  get #isScaled() {
    return this.#height > TALLEST;
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
    if (this.walk && isTouch.matches && Math.abs(moved) <= this.view) this.#creep(this.walk(moved));
    else if (!this.#isScaled) this.top = now;
    else if (Math.abs(moved) < this.view) this.#creep(moved);
    else this.top = (now / (TALLEST - this.view)) * this.#range;
    this.#moved(true);
  }

  #creep(px) {
    this.top = Math.max(0, Math.min(this.top + px, this.#range));
    this.#settle();
  }

  #settle() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#place(), SETTLE);
  }
}
