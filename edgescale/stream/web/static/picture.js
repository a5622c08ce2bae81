// The live picture of one source, loaded only while somebody can see it.

const RETRY_MS = 3000;
const image = document.getElementById("picture");
const veil = document.getElementById("veil");
let shown = null;
let linked = false;
let tries = 0;
let timer = 0;
let arrived = false; // the first picture of what is shown now

image.addEventListener("load", () => { image.hidden = false; arrived = true; });
image.addEventListener("error", () => {
  if (shown === null) return;
  arrived = false;
  image.hidden = true;
  if (linked) timer = setTimeout(load, RETRY_MS);
});
// Without a line to the server the last picture stays, and a new line asks for it again.
export function watch(source, connected) {
  if (source === shown && connected === linked) return;
  const changed = source !== shown;
  [shown, linked] = [source, connected];
  clearTimeout(timer);
  if (changed) {
    arrived = false;
    image.hidden = true;
    image.alt = source === null ? "" : `Newest picture of ${source}`;
  }
  if (source === null) image.removeAttribute("src");
  else if (connected) load();
}

// Lays a sentence over the picture; none where the picture speaks for itself.
export function say(sentence) {
  const text = sentence || (arrived ? "" : "Waiting for the first picture");
  if (veil.textContent !== text) veil.textContent = text;
  veil.hidden = !text;
}

function load() {
  // The number makes a new request of it: a browser may keep an answer that broke off.
  image.src = `/stream.mjpeg?source=${encodeURIComponent(shown)}&n=${++tries}`;
}
