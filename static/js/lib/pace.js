// Work that may be asked for often and is done rarely: at most once per interval, and never for a hidden tab.

/**
 * Return a function that calls `work` at once when the last call is `interval` ms ago, else when it is.
 * In a hidden tab it waits, and calls once when the tab is back. `stop()` forgets what is due.
 */
export function paced(work, interval) {
  let timer = 0;
  let last = -Infinity;
  let isDue = false;

  function run() {
    timer = 0;
    if (document.hidden) return;
    isDue = false;
    last = performance.now();
    work();
  }

  function plan() {
    if (!timer && isDue) timer = setTimeout(run, Math.max(0, last + interval - performance.now()));
  }

  function ask() {
    isDue = true;
    plan();
  }

  document.addEventListener("visibilitychange", plan);
  ask.stop = () => {
    isDue = false;
    clearTimeout(timer);
    timer = 0;
    document.removeEventListener("visibilitychange", plan);
  };
  return ask;
}

const AGAIN = 250; // ms
const behind = new WeakSet();

/** Have htmx load the parts of `root` marked data-live anew: they carry hx-get and hx-trigger="live". */
export function reload(root, selector = "[data-live]") {
  for (const part of root.querySelectorAll(selector)) {
    if (part.parentElement.closest("[data-live]")) continue;
    if (isUnderWay(part)) reloadLater(root, selector);
    else part.dispatchEvent(new CustomEvent("live"));
  }
}

// What is asked of a part whose answer is under way would be lost: the answer takes the part's place.
function isUnderWay(part) {
  return part.classList.contains("htmx-request") || part.classList.contains("htmx-added");
}

function reloadLater(root, selector) {
  if (behind.has(root)) return;
  behind.add(root);
  setTimeout(() => {
    behind.delete(root);
    reload(root, selector);
  }, AGAIN);
}
