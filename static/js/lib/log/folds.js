// What of a log is folded away. Folds come from the server as [kind, header, first, last, isOpen]; a person's choice stays.
import { joined } from "./rows.js";

export class Folds {
  #folds = new Map(); // header -> {kind, header, first, last, isOpen}
  #gap = null; // lines that were dropped, below the line that says so
  #chosen = new Map(); // header -> isOpen, by the person

  /** Take what the server says of the log now. */
  set({ folds, gap }) {
    this.#gap = gap && gap[1] - gap[0] > 1 ? [gap[0] + 1, gap[1] - 1] : null;
    this.#folds = new Map(
      folds.map(([kind, header, first, last, isOpen]) => {
        return [header, { kind, header, first, last, isOpen: this.#chosen.get(header) ?? isOpen }];
      }),
    );
  }

  at(header) {
    return this.#folds.get(header);
  }

  get hidden() {
    const closed = [...this.#folds.values()].filter((fold) => !fold.isOpen).map(({ first, last }) => [first, last]);
    return joined(this.#gap ? [...closed, this.#gap] : closed);
  }

  toggle(header) {
    const fold = this.#folds.get(header);
    if (!fold) return false;
    fold.isOpen = !fold.isOpen;
    this.#chosen.set(header, fold.isOpen);
    return true;
  }

  /** Open what hides a line; whether anything did. */
  reveal(line) {
    const closed = [...this.#folds.values()].filter(({ isOpen, first, last }) => !isOpen && first <= line && line <= last);
    for (const fold of closed) this.toggle(fold.header);
    return closed.length > 0;
  }
}
