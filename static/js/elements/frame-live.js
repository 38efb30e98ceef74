// <frame-live>: keeps the numbers of the frame true (how many runs run, failures unresolved, notices unread), and tells
// news of one's own: as a line on the page, and as the browser's notification where the person allowed it.
import { make } from "../lib/dom.js";
import { subscribe } from "../lib/socket.js";

const SHOWN = 8000; // ms a line stays

class FrameLive extends HTMLElement {
  #leave = null;

  connectedCallback() {
    this.#leave = subscribe("me", 0, (message) => message.type === "me" && this.#take(message));
    document.addEventListener("submit", askToNotify);
  }

  disconnectedCallback() {
    this.#leave();
    document.removeEventListener("submit", askToNotify);
  }

  #take({ counts, notices }) {
    for (const [name, number] of Object.entries(counts)) {
      for (const place of document.querySelectorAll(`[data-count="${name}"]`)) {
        place.hidden = !number;
        place.lastChild.textContent = number.toLocaleString("en");
      }
    }
    for (const notice of notices) {
      this.#say(notice);
      notify(notice);
    }
  }

  #say({ text, path, status }) {
    const line = make("a", { href: path, className: "toast state", textContent: text });
    line.dataset.status = status;
    this.append(line);
    setTimeout(() => line.remove(), SHOWN);
  }
}

/** Show a notification once, however many tabs are open. */
function notify({ id, text, path }) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const told = Number(localStorage.getItem("stepwell:told") ?? 0);
  if (id <= told) return;
  localStorage.setItem("stepwell:told", id);
  // The tag makes notifications of two tabs that told at the same moment one.
  const shown = new Notification(text, { tag: `stepwell-${id}`, icon: document.getElementById("favicon")?.href });
  shown.onclick = () => {
    window.focus();
    location.assign(path);
  };
}

function askToNotify({ target }) {
  if (!target.matches("[data-notify]") || !("Notification" in window)) return;
  if (Notification.permission === "default") Notification.requestPermission();
}

customElements.define("frame-live", FrameLive);
