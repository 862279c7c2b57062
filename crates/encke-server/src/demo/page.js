// What the demo page shows of its three channels. Whatever was published is put in as text.
import { Stream } from "./stream.js";

const LOG_ROWS = 200;
const CHAT_LINES = 200;
const CHART_POINTS = 60;

const $ = id => document.getElementById(id);
const counts = { received: 0, gaps: 0, connections: 0 };
const points = [];

const views = {
  "demo/clock": item => { $("clock").textContent = shown(item); },
  "demo/chat": showChat,
  "demo/chart": showPoint,
};

function count(name) {
  counts[name] += 1;
  $(name).textContent = counts[name];
}

function showItem(item, position) {
  if (item.gap) {
    count("gaps");
    log(item, position, "gap", missing(item.gap));
  } else if ("data" in item || "base64" in item) {
    count("received");
    views[item.channel]?.(item);
    log(item, position, "publication", shown(item));
  }
}

function shown({ data, base64 }) {
  if (base64 !== undefined) return `${base64} (base64)`;
  return typeof data === "string" ? data : JSON.stringify(data);
}

function missing({ from, to }) {
  if (from === null) return `gap: an unknown number is missing${to ? `, up to ${to}` : ""}`;
  return from === to ? `gap: ${from} is missing` : `gap: ${from} to ${to} are missing`;
}

function log(item, position, kind, content) {
  const row = $("log").insertRow(0);
  row.className = kind;
  Object.assign(row.dataset, { kind, channel: item.channel, position });
  if (kind === "publication") Object.assign(row.dataset, { epoch: item.epoch, offset: item.offset });
  for (const cell of [item.channel, item.offset ?? "–", content, position]) {
    row.insertCell().textContent = cell;
  }
  while ($("log").rows.length > LOG_ROWS) $("log").deleteRow(-1);
}

function showChat(item) {
  const list = $("chat");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 8;
  const line = document.createElement("li");
  line.dataset.offset = item.offset;
  line.textContent = shown(item);
  list.append(line);
  while (list.children.length > CHAT_LINES) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function showPoint(item) {
  // Anyone may publish here, and anything.
  if (!Number.isFinite(item.data?.value)) return;
  points.push(item.data.value);
  while (points.length > CHART_POINTS) points.shift();
  const low = Math.min(...points);
  const span = Math.max(...points) - low || 1;
  const step = 300 / (CHART_POINTS - 1);
  const start = 300 - (points.length - 1) * step;
  const line = points
    .map((value, i) => `${(start + i * step).toFixed(1)},${(92 - (84 * (value - low)) / span).toFixed(1)}`)
    .join(" ");
  $("chart-line").setAttribute("points", line);
  $("chart-area").setAttribute("points", `${start.toFixed(1)},100 ${line} 300,100`);
  $("chart-value").textContent = item.data.value.toFixed(1);
}

async function send(event) {
  event.preventDefault();
  const headers = { "Content-Type": "text/plain" };
  if ($("chat-token").value) headers.Authorization = `Bearer ${$("chat-token").value}`;
  $("chat-error").textContent = "";
  try {
    const response = await fetch("/live/demo/chat", { method: "POST", headers, body: $("chat-input").value });
    if (response.status === 401) $("token-row").hidden = false;
    if (response.ok) $("chat-input").value = "";
    else $("chat-error").textContent = (await response.json()).detail;
  } catch (error) {
    $("chat-error").textContent = `not sent: ${error.message}`;
  }
}

function start() {
  const stream = new Stream(Object.keys(views), {
    item: showItem,
    opened: () => count("connections"),
    state: state => {
      $("status").dataset.state = state;
      $("status").textContent = state;
    },
  });
  const wanted = new URLSearchParams(location.search).get("transport");
  for (const choice of document.getElementsByName("transport")) {
    if (choice.value === wanted) choice.checked = true;
    choice.addEventListener("change", () => stream.open(choice.value));
  }
  $("chat-form").addEventListener("submit", send);
  $("curl").textContent = `curl -d 'hello' ${location.origin}/live/demo/chat`;
  stream.open(document.querySelector("[name=transport]:checked").value);
}

// An iframe inserted before `load`, in WebKit also during it, would keep the page loading for ever.
if (document.readyState === "complete") start();
else addEventListener("load", () => setTimeout(start));
