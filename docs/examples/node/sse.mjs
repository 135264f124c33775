// Server-sent events as the WHATWG has them: bytes in, in any cuts; the data of whole events out.

const LINE_END = /\r\n|\r|\n/g;

export class EventReader {
  #decoder = new TextDecoder("utf-8"); // keeps half a character for the next bytes, and drops a BOM
  #partial = "";
  #afterCR = false;
  #data = [];
  #name = "";

  /** Takes bytes; returns the events that they complete, each `{ name, data }`. */
  push(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (this.#afterCR && text !== "") {
      // A CRLF that was cut in the middle is one line end, not two.
      if (text[0] === "\n") text = text.slice(1);
      this.#afterCR = false;
    }
    const events = [];
    let start = 0;
    for (const { 0: end, index } of text.matchAll(LINE_END)) {
      const event = this.#line(this.#partial + text.slice(start, index));
      if (event !== undefined) events.push(event);
      this.#partial = "";
      start = index + end.length;
      if (end === "\r" && start === text.length) this.#afterCR = true;
    }
    // What is left is joined, not searched again: a line of a megabyte may come byte by byte.
    this.#partial += text.slice(start);
    return events;
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return undefined; // a comment
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#name = value;
    return undefined;
  }

  #dispatch() {
    const event = this.#data.length ? { name: this.#name, data: this.#data.join("\n") } : undefined;
    this.#data = [];
    this.#name = "";
    return event;
  }
}
