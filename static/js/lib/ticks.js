// Ticking rows of a list: one box ticks the page, a number says how many are ticked, and the columns a form chose
// travel as one word. Without scripts each box is ticked by hand, and the form sends the columns one by one.

/** Keep the boxes of every list true to one another, for lists that come later too. */
export function watchTicks() {
  // Ticked before scripts were there.
  for (const all of document.querySelectorAll("[data-tick-all]:checked")) tickAll(all.form);
  document.addEventListener("change", ({ target }) => {
    const form = target.closest?.("form.bulk");
    if (!form) return;
    if (target.matches("[data-tick-all]")) tickAll(form);
    if (target.name === "run" && !target.checked) form.querySelector("[data-tick-all]").checked = false;
    count(form);
  });
  document.addEventListener("formdata", ({ target, formData }) => {
    if (!target.matches("[data-columns]")) return;
    const chosen = formData.getAll("col");
    formData.delete("col");
    if (chosen.length) formData.set("cols", chosen.join("."));
  });
}

const boxes = (form) => [...form.querySelectorAll('input[name="run"]')];

function tickAll(form) {
  for (const box of boxes(form)) box.checked = form.querySelector("[data-tick-all]").checked;
  count(form);
}

function count(form) {
  const number = boxes(form).filter((box) => box.checked).length;
  const all = form.querySelector('input[name="all"]');
  form.querySelector("[data-ticked]").textContent = all?.checked ? "All" : `${number} chosen`;
}
