// Words for times and durations (the same as the server's), its clock, and one ticker for the whole page.

let offset = 0;
const ticking = new Set();
let timer = 0;

/** Note the server's clock: seconds since 1970, as a ping says it. */
export function setServerTime(seconds) {
  offset = seconds * 1000 - Date.now();
}

/** The server's time now, in milliseconds since 1970. */
export function serverNow() {
  return Date.now() + offset;
}

/** Seconds from an ISO time to now, or NaN. */
export function secondsSince(iso) {
  return (serverNow() - Date.parse(iso)) / 1000;
}

const two = (number) => String(number).padStart(2, "0");

/** Two units at most: 480 ms, 9.5 s, 6 m 12 s, 2 h 05 m, 3 d 4 h. */
export function formatDuration(seconds) {
  const value = Math.max(0, seconds);
  if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
  if (value < 10) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} m`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** An age in words: just now, 12 s ago, 3 m ago, in 2 h. */
export function formatAge(seconds) {
  const size = Math.abs(seconds);
  if (size < 2) return "just now";
  let text = `${Math.floor(size / 86400)} d`;
  if (size < 60) text = `${Math.floor(size)} s`;
  else if (size < 3600) text = `${Math.floor(size / 60)} m`;
  else if (size < 2 * 86400) text = `${Math.floor(size / 3600)} h`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

/** Call `paint` now and every second while the page is in view; returns what stops it. */
export function tick(paint) {
  ticking.add(paint);
  paint();
  run();
  return () => {
    ticking.delete(paint);
    run();
  };
}

function run() {
  const wanted = ticking.size > 0 && !document.hidden;
  if (wanted && !timer) timer = setInterval(paintAll, 1000);
  if (!wanted && timer) {
    clearInterval(timer);
    timer = 0;
  }
}

function paintAll() {
  for (const paint of ticking) paint();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) paintAll();
  run();
});
