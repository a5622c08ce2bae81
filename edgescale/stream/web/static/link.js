// The line to the server: server-sent events read by fetch, which unlike EventSource tells why a
// server says no. Ends by itself when nothing comes, since a cut network cable says nothing either.

const SILENCE_MS = 6000;
const RETRY_MS = [500, 1000, 2000, 4000, 5000];

export class Link {
  // take(name, record) gets each message; lost(why) is told when the line is gone: "gone" or "full".
  constructor(take, lost) {
    this.take = take;
    this.lost = lost;
    this.failures = 0;
  }

  async open() {
    this.close();
    const control = (this.control = new AbortController());
    let why = "gone";
    try {
      why = await this.follow(control);
    } catch {
      // The network's or the server's end: both are "gone".
    }
    if (this.control !== control) return;
    this.close();
    this.lost(why);
    const pause = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
    this.timer = setTimeout(() => this.open(), pause);
  }

  close() {
    clearTimeout(this.timer);
    clearTimeout(this.watch);
    const control = this.control;
    this.control = null;
    control?.abort();
  }

  async follow(control) {
    this.expect(control);
    const reply = await fetch("/events", { signal: control.signal, cache: "no-store" });
    if (reply.status === 401) location.assign("/login");
    if (reply.status === 503) return "full";
    if (!reply.ok) return "gone";
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.control !== control) return "gone";
      this.expect(control);
      const parts = (text + value).split("\n\n");
      text = parts.pop();
      for (const part of parts) this.read(part);
    }
  }

  read(part) {
    const [name, data] = part.split("\n");
    this.failures = 0;
    this.take(name.slice("event: ".length), JSON.parse(data.slice("data: ".length)));
  }

  expect(control) {
    clearTimeout(this.watch);
    this.watch = setTimeout(() => control.abort(), SILENCE_MS);
  }
}
