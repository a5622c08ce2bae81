// The figures of one moment of the charts: under the pointer, or chosen by the arrow keys on a range.

import { momentAt } from "./chart.js";
import { decimal, duration, milliseconds, setText } from "./view.js";

const FPS = 1, P50 = 2, P95 = 3, VARIANT = 4;
const slider = document.getElementById("moment");
const line = document.getElementById("reading");
const hint = line.textContent;
let points = [];
let axis = null;
let cursors = [];
let read = null; // the moment that is read, in seconds of the run; null for none

// Takes what was drawn anew; the cursor stays at its moment until that leaves the charts.
export function drawn(...now) {
  [points, axis, cursors] = now;
  points = points.filter(([at]) => at >= axis.endS - axis.spanS);
  if (read !== null && read < axis.endS - axis.spanS) read = null;
  tell();
}

function pick(at) {
  read = at;
  tell();
  slider.setAttribute("aria-valuetext", line.textContent); // not each second: it would be read out
}

function tell() {
  const place = read === null ? points.length - 1 : nearest();
  const point = read === null ? null : points[place] ?? null;
  slider.max = Math.max(0, points.length - 1);
  slider.value = place;
  setText(line, point ? sentence(point) : hint);
  for (const mark of cursors) mark(point);
}

function nearest() {
  const apart = points.map(([at]) => Math.abs(at - read));
  return apart.indexOf(Math.min(...apart));
}

function sentence(point) {
  const ago = Math.round(axis.endS - point[0]);
  const when = ago ? `${duration(ago)} ago` : "Now";
  if (!point[VARIANT]) return `${when}: nothing ran`;
  const latency = `median ${milliseconds(point[P50])}, p95 ${milliseconds(point[P95])}`;
  return `${when}: ${latency}, ${decimal(point[FPS])} results per s, ${point[VARIANT]}`;
}

for (const box of document.querySelectorAll(".chart")) {
  for (const kind of ["pointerdown", "pointermove"]) {
    box.addEventListener(kind, (event) => { if (axis) pick(momentAt(box, axis, event.clientX)); });
  }
  box.addEventListener("pointerleave", (event) => {
    // A finger leaves when it is lifted, and what the keys chose stays.
    if (event.pointerType !== "touch" && document.activeElement !== slider) pick(null);
  });
}
slider.addEventListener("input", () => pick(points[slider.value]?.[0] ?? null));
slider.addEventListener("focus", () => pick(points.at(-1)?.[0] ?? null));
slider.addEventListener("blur", () => pick(null));
