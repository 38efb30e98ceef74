// What a person asked for and did not come: the part it was for says why and offers to ask again. What reloads by itself
// says nothing here; the connection's dot in the top bar does.
import { make } from "./dom.js";

const WHY = {
  0: "The server did not answer.",
  403: "You may not see this.",
  404: "This is not there any more.",
  429: "That was asked for too often. Wait a little.",
};
const BROKEN = "The server could not make this part; its log says why.";

/** Say it in the page when htmx gets no answer, or none that fits. */
export function watchTrouble() {
  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    document.addEventListener(name, ({ detail }) => tell(detail));
  }
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    // Signed out meanwhile: the page itself leads to where people sign in, and back.
    if (new URL(detail.xhr.responseURL || location.href).pathname === "/login/") {
      detail.shouldSwap = false;
      location.reload();
    }
  });
}

function tell({ elt, target, xhr, requestConfig }) {
  const type = requestConfig?.triggeringEvent?.type;
  if (!target || !type || type === "live" || type === "structure") return;
  const text = make("p", { textContent: `${WHY[xhr.status] ?? BROKEN} What is shown is as it was.` });
  const again = make("button", { type: "button", className: "btn btn--small", textContent: "Try again" });
  const note = make("div", { className: "note row trouble", role: "alert" });
  note.dataset.status = "failed";
  note.append(text, again);
  again.addEventListener("click", () => {
    note.remove();
    window.htmx.trigger(elt, type);
  });
  const place = target.hidden || !target.childElementCount ? target.parentElement : target;
  place.querySelector(":scope > .trouble")?.remove();
  place.prepend(note);
}
