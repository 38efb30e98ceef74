// <copy-text>: a button beside a text that copies it. Where the browser gives pages no clipboard there is none.
import { make } from "../lib/dom.js";

class CopyText extends HTMLElement {
  connectedCallback() {
    if (!navigator.clipboard || this.querySelector("button")) return;
    const button = make("button", { type: "button", className: "btn btn--small", textContent: "Copy" });
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(this.querySelector("pre, code").textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    this.append(button);
  }
}

customElements.define("copy-text", CopyText);
