// The rail beside a page: folded to its icons or not, which a cookie tells the server, so that no page jumps.
const YEAR = 31536000; // s

/** Let the rail's button fold and unfold it. */
export function watchRail() {
  const button = document.querySelector("[data-rail-fold]");
  if (!button) return;
  const { dataset } = document.documentElement;
  const tell = () => {
    const isFolded = dataset.rail === "folded";
    button.setAttribute("aria-expanded", !isFolded);
    button.title = isFolded ? "Unfold the menu" : "Fold the menu";
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    if (dataset.rail) delete dataset.rail;
    else dataset.rail = "folded";
    document.cookie = `stepwell-rail=${dataset.rail ?? ""}; path=/; max-age=${dataset.rail ? YEAR : 0}; samesite=lax`;
    tell();
  });
  tell();
}
