// The one WebSocket of this tab: topics with cursors, reconnects that ask for exactly what is missing.
import { setServerTime } from "./time.js";

// Missed messages are asked for again, from the database and the log files; a page that shows what is no longer there is stale.
const FIRST_DELAY = 300;
const LAST_DELAY = 30000;
const SILENCE = 9500; // the server pings every 4 s
const SIGNED_OUT = 4401;

const subscriptions = new Map(); // topic -> Set of {topic, cursor, handler}
const watchers = new Set();
let socket = null;
let state = "off";
let attempts = 0;
let timer = 0;
let silence = 0;
let isOver = false;
let isStale = false; // a part of the page shows what the server no longer has

/**
 * Listen to a topic from a cursor on. `handler(message)` gets each message once, in order;
 * a "resync" message moves the cursor and asks the page to load itself anew. Returns what ends it.
 */
export function subscribe(topic, cursor, handler) {
  const entry = { topic, cursor, handler };
  if (!subscriptions.has(topic)) subscriptions.set(topic, new Set());
  subscriptions.get(topic).add(entry);
  connect();
  ask(topic);
  return () => leave(entry);
}

/** Call `watcher(state)` now and at each change: off, live, reconnecting or stale. */
export function watchState(watcher) {
  watchers.add(watcher);
  watcher(state);
}

function leave(entry) {
  const entries = subscriptions.get(entry.topic);
  entries?.delete(entry);
  if (entries?.size) return;
  subscriptions.delete(entry.topic);
  send({ type: "unsub", topic: entry.topic });
}

function ask(topic) {
  const cursors = [...(subscriptions.get(topic) ?? [])].map((entry) => entry.cursor);
  if (cursors.length) send({ type: "sub", topic, after: Math.min(...cursors) });
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/** Say that the page shows what is no longer true and cannot be put right without loading it again. */
export function goStale() {
  isStale = true;
  setState("stale");
}

function setState(wanted) {
  const next = isStale ? "stale" : wanted;
  if (next === state) return;
  state = next;
  for (const watcher of watchers) watcher(state);
}

function connect() {
  const path = document.body.dataset.socket;
  if (socket || isOver || path === undefined) return;
  clearTimeout(timer);
  const base = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;
  const mine = new WebSocket(new URL(path || "/ws/", base));
  socket = mine;
  mine.onopen = () => {
    attempts = 0;
    setState("live");
    for (const topic of subscriptions.keys()) ask(topic);
  };
  mine.onmessage = (event) => socket === mine && take(JSON.parse(event.data));
  mine.onclose = (event) => socket === mine && lost(event.code);
}

function lost(code) {
  const old = socket;
  socket = null;
  old?.close();
  clearTimeout(silence);
  isOver = code === SIGNED_OUT;
  attempts += 1;
  setState(isOver || attempts > 6 ? "stale" : "reconnecting");
  const delay = Math.min(LAST_DELAY, FIRST_DELAY * 2 ** (attempts - 1));
  clearTimeout(timer);
  if (!isOver) timer = setTimeout(connect, delay * (0.5 + Math.random() / 2));
}

function take(message) {
  clearTimeout(silence);
  silence = setTimeout(() => lost(0), SILENCE);
  if (message.type === "ping") setServerTime(message.at);
  for (const entry of subscriptions.get(message.topic) ?? []) deliver(entry, message);
}

function deliver(entry, message) {
  if (message.type === "resync") entry.cursor = message.at;
  if (message.from !== undefined) {
    const { from, to } = message;
    if (from > entry.cursor) return ask(entry.topic);
    // Seen before: another element of the page asked for this topic from an older cursor.
    if (to < entry.cursor || (to === entry.cursor && from !== to)) return;
  }
  entry.cursor = message.to ?? entry.cursor;
  entry.handler(message);
}

function retryNow() {
  if (state === "off" || isOver || document.hidden || socket) return;
  attempts = Math.min(attempts, 1);
  connect();
}

addEventListener("offline", () => socket && lost(0));
addEventListener("online", retryNow);
document.addEventListener("visibilitychange", retryNow);
