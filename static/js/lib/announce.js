// Tells people who listen to the page what others see move: politely, the latest words only, at most every ten seconds.
import { make } from "./dom.js";
import { paced } from "./pace.js";

const INTERVAL = 10000;
let place = null;
let words = "";

const say = paced(() => {
  place ??= document.body.appendChild(make("div", { id: "announcements", className: "sr-only", role: "status" }));
  // In a step of its own: a region that comes with its words is not read.
  requestAnimationFrame(() => (place.textContent = words));
}, INTERVAL);

/** Have these words read out, soon. */
export function announce(text) {
  if (text === words) return;
  words = text;
  say();
}
