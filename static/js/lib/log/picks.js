// The lines an address names, #L120 or #L120-L140: picked by a click on a number, extended by a click with shift.

/** Return [first, last] of a hash, or null. */
export function readHash(hash) {
  const match = /^#L(\d{1,12})(?:-L?(\d{1,12}))?$/.exec(hash);
  if (!match) return null;
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
  return first ? [Math.min(first, last), Math.max(first, last)] : null;
}

export class Picks {
  range = readHash(location.hash);
  #anchor = this.range?.[0] ?? 0;

  has(line) {
    return this.range !== null && this.range[0] <= line && line <= this.range[1];
  }

  /** Pick a line, or from the last pick to this one; the address follows. */
  pick(line, isFurther) {
    const from = isFurther && this.#anchor ? this.#anchor : line;
    if (!isFurther) this.#anchor = line;
    this.range = [Math.min(from, line), Math.max(from, line)];
    const [first, last] = this.range;
    history.replaceState(history.state, "", first === last ? `#L${first}` : `#L${first}-L${last}`);
  }

  /** Read the address anew; whether it names other lines than before. */
  follow() {
    const before = String(this.range);
    this.range = readHash(location.hash);
    this.#anchor = this.range?.[0] ?? this.#anchor;
    return String(this.range) !== before;
  }
}

/** Return the text of rows without their numbers. */
export function textOf(html) {
  const piece = document.createElement("template");
  piece.innerHTML = html;
  return piece.content.querySelector(".line > span")?.textContent ?? "";
}
