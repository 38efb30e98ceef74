// The dot in the top bar: whether what the page shows still moves.
import { watchState } from "./socket.js";

const TITLES = {
  off: "",
  live: "This page updates by itself.",
  reconnecting: "The connection was lost. What is shown stays; new things follow once it is back.",
  stale: "This page no longer updates. Reload it.",
};

/** Keep #connection's data-state and title true; its words follow by style. */
export function showConnection() {
  watchState((state) => {
    const dot = document.getElementById("connection");
    if (!dot) return;
    dot.dataset.state = state;
    dot.title = TITLES[state];
  });
}
