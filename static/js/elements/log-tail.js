// <log-tail attempt="UUID" after="OFFSET">: appends the lines that follow what the server rendered. Sticks to the end
// unless the person scrolled up; then a button counts what is new. Lines come as HTML from our own socket (runs/ansi.py).
import { make } from "../lib/dom.js";
import { subscribe } from "../lib/socket.js";

const MOST_LINES = 5000;
const NEAR = 24; // px from the end that still count as the end

class LogTail extends HTMLElement {
  #leave = null;
  #pending = []; // messages to draw in the next frame; a hidden tab has no frames
  #pendingLines = 0;
  #frame = 0;
  #partial = null;
  #box = this; // what scrolls
  #unseen = 0;
  #isCut = false; // the server moved us ahead: lines before are not here
  #button = null;
  #scrolled = () => this.#isAtEnd() && this.#seeAll();

  connectedCallback() {
    const after = Number(this.getAttribute("after")) || 0;
    this.#leave = subscribe(`log:${this.getAttribute("attempt")}`, after, (message) => this.#take(message));
    this.#box = this.closest(".log") ?? this;
    this.#box.addEventListener("scroll", this.#scrolled, { passive: true });
    if (!location.hash.startsWith("#L")) this.#toEnd();
  }

  disconnectedCallback() {
    this.#leave();
    this.#box.removeEventListener("scroll", this.#scrolled);
    this.#frame = cancelAnimationFrame(this.#frame) ?? 0;
    [this.#pending, this.#pendingLines] = [[], 0];
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#box;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  #take(message) {
    if (message.type !== "log" && message.type !== "resync") return;
    this.#pending.push(message);
    this.#pendingLines += message.lines ?? 0;
    // A tab out of sight keeps what fits the page: the rest would be dropped on arrival.
    while (this.#pendingLines - (this.#pending[0].lines ?? 0) >= MOST_LINES) {
      this.#pendingLines -= this.#pending.shift().lines ?? 0;
    }
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const wasAtEnd = this.#isAtEnd();
    for (const message of this.#pending) {
      if (message.type === "resync") this.#clear();
      else this.#append(message);
      // Where to go on from when this element leaves the page and comes back.
      this.setAttribute("after", message.to ?? message.at);
    }
    if (!wasAtEnd) this.#unseen += this.#pendingLines;
    [this.#pending, this.#pendingLines] = [[], 0];
    this.#trim();
    wasAtEnd ? this.#toEnd() : this.#offer();
  }

  #clear() {
    for (const line of this.querySelectorAll(".line")) line.remove();
    [this.#partial, this.#isCut] = [null, true];
  }

  #append({ html, partial }) {
    this.#partial?.remove();
    const piece = document.createElement("template");
    piece.innerHTML = html + (partial ?? "");
    // The server may have rendered the start of a line that is whole now.
    const first = piece.content.firstElementChild;
    if (first) this.querySelector(`#${first.id}`)?.remove();
    if (!this.querySelector(".line")) this.querySelector(".log__note")?.remove();
    this.#partial = partial ? piece.content.lastElementChild : null;
    if (this.#button) this.#button.before(piece.content);
    else this.append(piece.content);
  }

  #trim() {
    const lines = this.querySelectorAll(".line");
    const extra = lines.length - MOST_LINES;
    for (let index = 0; index < extra; index += 1) lines[index].remove();
    if (extra > 0 || this.#isCut) this.#noteMissing();
    this.#isCut = false;
  }

  #noteMissing() {
    const first = Number(this.querySelector(".line")?.id.slice(1) ?? 1);
    const note = this.querySelector(".log__note") ?? make("p", { className: "log__note" });
    this.prepend(note);
    note.textContent = `Lines 1 to ${(first - 1).toLocaleString()} are not shown here.`;
  }

  #offer() {
    if (!this.#unseen) return;
    if (!this.#button) {
      this.#button = make("button", { type: "button", className: "pill log__pill", onclick: () => this.#toEnd() });
      this.append(this.#button);
    }
    this.#button.textContent = this.#unseen === 1 ? "1 new line" : `${this.#unseen.toLocaleString()} new lines`;
  }

  #toEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
    this.#seeAll();
  }

  #seeAll() {
    this.#unseen = 0;
    this.#button = this.#button?.remove() ?? null;
  }
}

customElements.define("log-tail", LogTail);
