// The zone this browser is in, offered beside the person's own when it is another.

/** Offer the browser's zone in the top bar's menu. */
export function offerOwnZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const button = document.querySelector("[data-own-zone]");
  const offered = [...(button?.form.elements ?? [])].map((one) => one.textContent.trim());
  if (!button || !zone || offered.includes(zone)) return;
  Object.assign(button, { value: zone, textContent: `${zone} (this browser)`, hidden: false });
}
