// <live-runs>: a list of runs. Changed runs reload the parts marked data-live, at most once a second. While the person is
// down in the list, has ticked runs or is busy with its filters, rows stay where they are: those shown are brought up to
// date one by one (from the address in data-rows), and a button counts the new ones instead. A list that begins with the
// `newest` runs of all counts none that is older than those it shows.
import { announce } from "../lib/announce.js";
import { make } from "../lib/dom.js";
import { paced, reload } from "../lib/pace.js";
import { subscribe } from "../lib/socket.js";

const INTERVAL = 1000;
const MOST_ROWS = 100;
const SHOWING = 3000; // ms in which rows a person asked for may come, though the page still scrolls up to them

class LiveRuns extends HTMLElement {
  #leave = null;
  #reload = null;
  #fresh = new Set();
  #changed = new Set();
  #shownAt = -Infinity;
  #asked = []; // what is new in the rows that were asked for
  #button = null;

  connectedCallback() {
    this.#reload = paced(() => this.#refresh(), INTERVAL);
    this.addEventListener("htmx:beforeSwap", (event) => this.#keep(event));
    this.#leave = subscribe("runs", Number(this.getAttribute("after")) || 0, (message) => this.#take(message));
  }

  disconnectedCallback() {
    this.#leave();
    this.#reload.stop();
  }

  #take(message) {
    const rows = message.type === "rows" ? message.rows : [];
    for (const { id } of rows) {
      if (this.querySelector(`[data-run="${id}"]`)) this.#changed.add(id);
      else if (!this.hasAttribute("newest") || this.#isNewer(id)) this.#fresh.add(id);
    }
    this.#reload();
  }

  /** Whether a run was made after all that are shown; ids sort by the time they were made. */
  #isNewer(id) {
    return [...this.querySelectorAll("[data-run]")].every((row) => row.dataset.run < id);
  }

  #refresh() {
    if (this.#isBusy()) {
      this.#patch();
    } else {
      this.#asked = [...this.#fresh];
      this.#fresh.clear();
      this.#changed.clear();
      reload(this);
    }
    this.#offer();
  }

  /** Rows that were asked for before a person began to tick or to read further down are not put in their place. */
  #keep({ detail }) {
    const isWanted = performance.now() - this.#shownAt < SHOWING;
    if (isWanted || detail.requestConfig?.triggeringEvent?.type !== "live" || !this.#isBusy()) return;
    detail.shouldSwap = false;
    for (const id of this.#asked) this.#fresh.add(id);
    this.#offer();
  }

  #isBusy() {
    const active = document.activeElement;
    const inFilter = active?.closest("form") && this.contains(active);
    return scrollY > 200 || Boolean(inFilter) || Boolean(this.querySelector("dialog[open], details[open], td :checked"));
  }

  async #patch() {
    const ids = [...this.#changed].slice(0, MOST_ROWS);
    if (!this.dataset.rows || !ids.length) return;
    for (const id of ids) this.#changed.delete(id);
    const asked = new URLSearchParams(ids.map((id) => ["id", id]));
    for (const [name, value] of new URLSearchParams(location.search)) if (name.startsWith("col")) asked.append(name, value);
    const answer = await fetch(`${this.dataset.rows}?${asked}`).catch(() => null);
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const row of page.querySelectorAll("tr[data-run]")) this.#replace(row);
  }

  #replace(row) {
    const old = this.querySelector(`tr[data-run="${row.dataset.run}"]`);
    // Whoever stands in the row or has ticked it keeps it.
    if (!old || old.contains(document.activeElement)) return;
    const tick = old.querySelector("input");
    if (tick?.checked) row.querySelector("input").checked = true;
    old.replaceWith(document.adoptNode(row));
  }

  #offer() {
    const number = this.#fresh.size;
    if (!number) {
      this.#button?.remove();
      this.#button = null;
      return;
    }
    if (!this.#button) {
      this.#button = make("button", { type: "button", className: "pill pill--over", onclick: () => this.#show() });
      this.prepend(this.#button);
    }
    this.#button.textContent = number === 1 ? "1 new run" : `${number} new runs`;
    announce(this.#button.textContent);
  }

  #show() {
    const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    scrollTo({ top: 0, behavior: smooth ? "smooth" : "instant" });
    this.#fresh.clear();
    this.#shownAt = performance.now();
    // On a later page, or in another order, the newest runs are elsewhere.
    if (this.dataset.rows && !this.querySelector("#runs-rows[data-live]")) location.assign(location.pathname);
    reload(this);
    this.#offer();
  }
}

customElements.define("live-runs", LiveRuns);
