// What the page does: follows the run, and says plainly when there is nothing to follow.

import { drawLane, drawLines, timeAxis } from "./chart.js";
import { Link } from "./link.js";
import { say, watch } from "./picture.js";
import { drawn } from "./readout.js";
import { repeat, setStatus, setText, showAnswer, showEvents, showRun, showSource, showTables } from "./view.js";

const FPS = 1, P50 = 2, P95 = 3;
const byId = (id) => document.getElementById(id);
const choice = byId("choice");
let points = [];
let seconds = 300;
let state = null;
let chosen = null;
let ended = false;
let why = "connecting"; // no line to the server: "connecting", "gone" or "full"; else ""

const link = new Link(take, (reason) => { why = reason; show(); });

function take(name, record) {
  why = "";
  if (name === "past") {
    ({ points, seconds } = record);
    ended = false;
    byId("sign-out").hidden = !record.sign_out;
  } else if (name === "state") {
    state = record;
    remember();
    show();
  } else if (name === "end") {
    ended = true;
    show();
  } else if (name === "answer" && record.source === chosen) {
    showAnswer(record.predictions, 1);
  }
}

function remember() {
  const [p50, p95] = state.latency_ms ?? [null, null];
  if (state.uptime_s > (points.at(-1)?.[0] ?? -1)) {
    points.push([state.uptime_s, state.fps, p50, p95, state.variant]);
  }
  points = points.filter(([at]) => state.uptime_s - at <= seconds);
}

function show() {
  setStatus(...status());
  if (state !== null) {
    choose();
    showRun(state, ended);
    showTables(state);
    showEvents(state.events);
    drawCharts();
  }
  const source = state?.sources.find((one) => one.name === chosen);
  if (source) {
    showSource(source);
    showAnswer(source.predictions, source.frames);
  }
  setText(byId("now-title"), ended || why || source?.state !== "playing" ? "Last answer" : "Now");
  watch(source && !document.hidden ? chosen : null, !ended && !why);
  say(sentence(source));
  document.title = state ? `${byId("status").textContent} · ${state.family || "edgescale"}` : "edgescale";
}

function status() {
  if (ended) return ["wait", "The run has ended"];
  if (why === "gone") return ["bad", "Server gone, retrying"];
  if (why === "full") return ["warn", "Too many are watching, retrying"];
  if (why) return ["wait", "Connecting"];
  const { sources } = state;
  if (!sources.length) return ["wait", "Getting ready"];
  const lost = sources.filter((one) => one.state === "lost");
  if (lost.length) {
    return ["bad", sources.length === 1 ? "Source lost, retrying" : `${lost.length} of ${sources.length} sources lost`];
  }
  if (sources.every((one) => one.state === "ended")) return ["wait", "Source ended"];
  if (sources.some((one) => one.state === "playing")) return ["good", "Live"];
  return ["wait", "Opening the source"];
}

function sentence(source) {
  if (ended) return "The run has ended. The figures are its last.";
  if (why === "gone") return "The server is gone. The figures are the last it told; trying again.";
  if (why === "full") return "Too many are watching this run. Trying again.";
  if (!source) return state ? "The run is getting ready." : "Connecting";
  if (source.state === "lost") {
    return `${source.name} is lost${source.reason ? `: ${source.reason}` : ""}. Trying to reach it again.`;
  }
  if (source.state === "ended") return `${source.name} has ended.`;
  if (source.state === "opening") return `Opening ${source.name}`;
  return "";
}

function choose() {
  const names = state.sources.map((one) => one.name);
  if (!names.includes(chosen)) chosen = names[0] ?? null;
  choice.hidden = names.length < 2;
  const labels = byId("choices");
  repeat(labels, state.sources, choiceOf, (label, { name, state: at }) => {
    const [input, text] = label.children;
    input.value = name;
    input.checked = name === chosen;
    setText(text, name);
    text.className = at;
  });
}

function choiceOf() {
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.type = "radio";
  input.name = "source";
  input.addEventListener("change", () => { chosen = input.value; show(); });
  label.append(input, document.createElement("span"));
  return label;
}

function drawCharts() {
  const axis = timeAxis(points, seconds, state.uptime_s);
  const nowMs = Date.parse(state.time);
  const others = state.events.filter((event) => !["entered", "left"].includes(event.kind));
  const events = others.map((event) => ({
    ...event, at: state.uptime_s - (nowMs - Date.parse(event.time)) / 1000,
  }));
  byId("budget-key").hidden = state.limit_ms === null;
  const latency = [{ name: "median", column: P50, kind: "p50" }, { name: "p95", column: P95, kind: "p95" }];
  const fps = [{ name: "results per second", column: FPS, kind: "" }];
  drawn(points, axis, [
    drawLines(byId("latency"), points, axis, latency, state.limit_ms),
    drawLines(byId("fps"), points, axis, fps, null),
    drawLane(byId("lane"), points, axis, events),
  ]);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    link.close();
    watch(null);
  } else link.open();
});
byId("picture").addEventListener("load", show);
new ResizeObserver(() => { if (state) drawCharts(); }).observe(byId("latency"));
setStatus("wait", "Connecting");
say("Connecting");
link.open();
