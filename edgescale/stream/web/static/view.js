// Puts a snapshot into the page. Labels, names and reasons are foreign: they go in as text only.

const byId = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setStatus(tone, text) {
  const status = byId("status");
  status.className = `status ${tone}`;
  setText(status, text);
}

export function showAnswer(predictions, frames) {
  const best = byId("best");
  const unsure = predictions.length === 0;
  best.classList.toggle("unsure", unsure);
  setText(best, unsure ? (frames ? "Not sure" : "No answer yet") : predictions[0].label);
  repeat(byId("bars"), predictions, bar, (row, { label, score }) => {
    row.children[0].style.width = `${100 * score}%`;
    setText(row.children[1], label);
    setText(row.children[2], percent(score));
  });
}

export function showSource(source) {
  const present = byId("present");
  present.hidden = source.present.length === 0;
  chips(present, ["In view:", ...source.present], (chip, place) => {
    chip.className = place ? "" : "lead";
  });
  showFacts(byId("source-facts"), [
    ["Age of result", milliseconds(source.age_ms)],
    ["Results per s", decimal(source.fps)],
    [source.live ? "Camera per s" : "Read per s", decimal(source.capture_fps)],
    ["Dropped", whole.format(source.dropped)],
    ["Picture", source.size_px ? `${source.size_px[0]} × ${source.size_px[1]}` : "–"],
    ["Away", source.outages ? `${source.outages}×, ${duration(source.outage_s)}` : "never"],
  ]);
}

export function showRun(state, ended) {
  setText(byId("family"), state.family || "edgescale");
  setText(byId("since"), `${ended ? "Ran" : "Running"} for ${duration(state.uptime_s)}`);
  const names = state.variants.length ? state.variants : [state.variant].filter(Boolean);
  chips(byId("variants"), names, (chip, place) => {
    const current = names[place] === state.variant;
    chip.className = current ? "current" : "";
    if (current) chip.setAttribute("aria-current", "true");
    else chip.removeAttribute("aria-current");
  });
  setText(byId("why"), state.why || "Nothing runs yet.");
  const [p50, p95, p99] = state.latency_ms ?? [null, null, null];
  showFacts(byId("serving-facts"), [
    ["Device", state.device || "–"],
    ["Runtime", state.runtime || "–"],
    ["Budget", state.budget || "none"],
    ["Latency p50 / p95 / p99", [p50, p95, p99].map(decimal).join(" / ") + (p50 === null ? "" : " ms")],
    ["Results per second", decimal(state.fps)],
    ["Temperature", state.temperature_c === null ? "not known" : `${decimal(state.temperature_c)} °C`],
  ]);
}

export function showTables(state) {
  showRows(byId("stages"), state.stages, (stage) => [
    stage.stage, decimal(stage.p50_ms), decimal(stage.p95_ms), decimal(stage.p99_ms),
  ]);
  showRows(byId("sources"), state.sources, (source) => [
    { text: source.name, note: source.reason },
    { text: source.state, tone: source.state === "lost" ? "trouble" : "" },
    decimal(source.fps), whole.format(source.frames), whole.format(source.dropped),
    source.outages ? `${source.outages} (${duration(source.outage_s)})` : "0",
  ]);
  showRows(byId("sinks"), state.sinks, (sink) => [
    { text: sink.name, note: sink.error },
    whole.format(sink.written),
    { text: whole.format(sink.dropped), tone: sink.dropped ? "wary" : "" },
  ]);
}

export function showEvents(events) {
  byId("no-events").hidden = events.length > 0;
  byId("events").hidden = events.length === 0;
  repeat(byId("events"), [...events].reverse(), eventRow, (row, event) => {
    const [time, text] = row.children;
    time.dateTime = event.time;
    setText(time, clock.format(new Date(event.time)));
    const named = event.source === "" || event.text.includes(event.source);
    setText(text, named ? event.text : `${event.source}: ${event.text}`);
  });
}

export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function showFacts(list, facts) {
  repeat(list, facts, fact, (group, [name, value]) => {
    setText(group.children[0], name);
    setText(group.children[1], value);
  });
}

function showRows(body, records, cells) {
  const headings = body.parentElement.tHead.rows[0].cells;
  repeat(body, records, () => document.createElement("tr"), (row, record) => {
    cells(record).forEach((cell, place) => {
      row.children[place] ?? row.append(newCell(place));
      row.children[place].dataset.name = headings[place].textContent;
      const { text, note = "", tone = "" } = typeof cell === "string" ? { text: cell } : cell;
      const [main, below] = row.children[place].children;
      setText(main, text);
      setText(below, note);
      row.children[place].className = tone;
    });
  });
}

function chips(list, texts, dress) {
  repeat(list, texts, () => document.createElement("span"), (chip, text, place) => {
    setText(chip, text);
    dress(chip, place);
  });
}

// Keeps as many children as records, so that what is selected or focused stays so.
export function repeat(parent, records, make, update) {
  while (parent.children.length > records.length) parent.lastElementChild.remove();
  while (parent.children.length < records.length) parent.append(make());
  records.forEach((record, place) => update(parent.children[place], record, place));
}

function newCell(place) {
  const cell = document.createElement(place ? "td" : "th");
  if (!place) cell.scope = "row";
  cell.append(document.createElement("span"), document.createElement("small"));
  return cell;
}

function bar() {
  const row = document.createElement("li");
  row.append(document.createElement("i"), document.createElement("span"), document.createElement("span"));
  return row;
}

function fact() {
  const group = document.createElement("div");
  group.append(document.createElement("dt"), document.createElement("dd"));
  return group;
}

function eventRow() {
  const row = document.createElement("li");
  row.append(document.createElement("time"), document.createElement("span"));
  return row;
}

function percent(score) {
  return score > 0 && score < 0.005 ? "< 1 %" : `${Math.round(100 * score)} %`;
}

export function decimal(value) {
  return value === null ? "–" : value.toFixed(value >= 100 ? 0 : 1);
}

export function milliseconds(value) {
  return value === null ? "–" : `${decimal(value)} ms`;
}
