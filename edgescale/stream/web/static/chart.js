// Charts of the last minutes in SVG; all of them share one time axis.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 36;
const RIGHT = 12;
const TOP = 8;
const BOTTOM = 20;
const GAP_S = 5; // between two points further apart nothing was seen
const SHORTEST_S = 60;
const BAD = new Set(["source-lost", "worker-died", "refused", "doubted"]);
const GOOD = new Set(["source-back", "restarted", "confirmed"]);

// Makes the time axis of all charts: the last minutes, or as many as there are.
export function timeAxis(points, mostS, endS) {
  const elapsed = points.length ? endS - points[0][0] : 0;
  return { endS, spanS: Math.min(mostS, Math.max(SHORTEST_S, elapsed)) };
}

// Returns the moment under a pointer.
export function momentAt(box, axis, clientX) {
  const { left, width } = box.getBoundingClientRect();
  return axis.endS - ((left + width - RIGHT - clientX) / (width - RIGHT - LEFT)) * axis.spanS;
}

// Draws lines over time. series: [{ name, column, kind }]; limit: a dashed line, or null.
// Returns what marks a point with a cursor, or takes the cursor away (null).
export function drawLines(box, points, axis, series, limit) {
  const area = begin(box, axis);
  const values = points.flatMap((point) => series.map((one) => point[one.column] ?? 0));
  const step = niceStep(Math.max(0, ...values, limit ?? 0) * 1.05);
  const top = 3 * step;
  const y = (value) => area.bottom - (value / top) * (area.bottom - TOP);
  for (let line = 0; line <= 3; line++) {
    const at = y(line * step);
    add(area.svg, "line", { class: "grid", x1: LEFT, x2: area.right, y1: at, y2: at });
    label(area.svg, LEFT - 6, at + 4, "end", short(line * step));
  }
  for (const { column, kind } of series) {
    add(area.svg, "path", { class: `line ${kind}`, d: path(points, column, area.x, y) });
  }
  if (limit !== null) {
    add(area.svg, "line", { class: "limit", x1: LEFT, x2: area.right, y1: y(limit), y2: y(limit) });
  }
  const last = points.at(-1);
  const said = series.map((one) => `${one.name} ${last ? short(last[one.column]) : "unknown"}`);
  if (limit !== null) said.push(`budget ${short(limit)}`);
  area.svg.setAttribute("aria-label", said.join(", "));
  return cursorOf(area, series, y);
}

// Draws which variant ran when, and a mark for each event. events: [{ at, kind, text }]
// Returns the same as drawLines.
export function drawLane(box, points, axis, events) {
  const area = begin(box, axis);
  const runs = [];
  for (const [at, , , , variant] of points) {
    const run = runs.at(-1);
    if (run?.variant === variant) run.to = at;
    else {
      if (run) run.to = at;
      runs.push({ variant, from: at, to: at });
    }
  }
  const height = area.bottom - TOP - 22;
  for (const run of runs.filter((one) => one.variant)) {
    const from = Math.max(LEFT, area.x(run.from));
    const width = Math.max(2, area.x(run.to) - from);
    const past = run.variant === runs.at(-1).variant ? "" : "past";
    const shape = { class: `band ${past}`, x: from, y: TOP, width, height, rx: 4 };
    title(add(area.svg, "rect", shape), run.variant);
    if (width > 16 + 8 * run.variant.length) {
      const name = label(area.svg, from + 8, TOP + height / 2 + 4, "start", run.variant);
      name.setAttribute("class", "band-name");
    }
  }
  for (const { at, kind, text } of events.filter((one) => one.at >= axis.endS - axis.spanS)) {
    const tone = BAD.has(kind) ? "bad" : GOOD.has(kind) ? "good" : "";
    const mark = { class: `mark ${tone}`, cx: area.x(at), cy: area.bottom - 8, r: 5 };
    title(add(area.svg, "circle", mark), text);
  }
  const now = points.at(-1)?.[4];
  area.svg.setAttribute("aria-label", now ? `${now} runs; events are listed below` : "Nothing yet");
  return cursorOf(area, [], null);
}

function cursorOf(area, series, y) {
  const group = add(area.svg, "g", { class: "cursor" });
  return (point) => {
    group.replaceChildren();
    if (point === null) return;
    const x = area.x(point[0]);
    add(group, "line", { x1: x, x2: x, y1: TOP, y2: area.bottom });
    for (const { column, kind } of series.filter((one) => point[one.column] !== null)) {
      add(group, "circle", { class: kind, cx: x, cy: y(point[column]), r: 4 });
    }
  };
}

function begin(box, axis) {
  const width = Math.max(box.clientWidth, 160);
  const height = box.clientHeight;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  box.replaceChildren(svg);
  const right = width - RIGHT;
  const bottom = height - BOTTOM;
  const x = (at) => right - ((axis.endS - at) / axis.spanS) * (right - LEFT);
  const [step, unit, name] = axis.spanS > 180
    ? [width < 420 ? 120 : 60, 60, "min"]
    : [axis.spanS > 100 ? 30 : 20, 1, "s"];
  for (let ago = 0; ago <= axis.spanS; ago += step) {
    const text = ago ? `−${ago / unit} ${name}` : "now";
    label(svg, x(axis.endS - ago), height - 4, ago ? "middle" : "end", text);
  }
  return { svg, right, bottom, x };
}

function path(points, column, x, y) {
  let drawn = "";
  let before = null;
  for (const point of points) {
    const value = point[column];
    if (value === null) before = null;
    else {
      const joined = before !== null && point[0] - before <= GAP_S;
      drawn += `${joined ? "L" : "M"}${x(point[0]).toFixed(1)} ${y(value).toFixed(1)}`;
      before = point[0];
    }
  }
  return drawn;
}

// A third of the axis, as a short number, so that three of them hold the most.
function niceStep(most) {
  const third = most > 0 ? most / 3 : 1;
  const power = 10 ** Math.floor(Math.log10(third));
  return power * [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= third * 0.999);
}

function short(value) {
  if (value === null) return "unknown";
  return value >= 100 ? value.toFixed(0) : String(Number(value.toFixed(value >= 10 ? 1 : 2)));
}

function label(svg, x, y, anchor, text) {
  const made = add(svg, "text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}

function title(shape, text) {
  add(shape, "title", {}).textContent = text;
}

function add(parent, kind, attributes) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent.append(made);
  return made;
}
