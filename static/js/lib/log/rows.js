// Which line stands in which row: all lines but those folded away, or only the lines a filter leaves.

/** Rows of a log of `lines` lines without the `hidden` ranges, which are [first, last], sorted and apart. */
export class FoldedRows {
  #before = []; // per range: rows above it
  #hidden = []; // per range: lines hidden in it and above it
  #ranges;

  constructor(lines, hidden) {
    this.#ranges = hidden;
    let total = 0;
    for (const [first, last] of hidden) {
      this.#before.push(first - 1 - total);
      total += last - first + 1;
      this.#hidden.push(total);
    }
    this.count = Math.max(0, lines - total);
  }

  lineAt(row) {
    const range = lastAtMost(this.#before, row);
    return row + 1 + (range < 0 ? 0 : this.#hidden[range]);
  }

  /** The row of a line; of one that is hidden, the row above. */
  rowOf(line) {
    const range = lastAtMost(this.#ranges, line, ([first]) => first);
    if (range < 0) return line - 1;
    if (line <= this.#ranges[range][1]) return Math.max(0, this.#before[range] - 1);
    return line - 1 - this.#hidden[range];
  }
}

/** Rows that are the lines of `numbers`, which is sorted. */
export class ChosenRows {
  #numbers;

  constructor(numbers) {
    this.#numbers = numbers;
    this.count = numbers.length;
  }

  lineAt(row) {
    return this.#numbers[row];
  }

  rowOf(line) {
    return Math.max(0, lastAtMost(this.#numbers, line));
  }
}

/** The index of the last item that is at most `value`, -1 when there is none. */
export function lastAtMost(items, value, of = (item) => item) {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(items[middle]) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Join ranges that touch or lie in each other; `ranges` are [first, last] in any order. */
export function joined(ranges) {
  const apart = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const previous = apart.at(-1);
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else apart.push([first, last]);
  }
  return apart;
}
