// A first-in, first-out queue before a number of slots.

import { TGIError } from "./errors.mjs";

export class Queue {
  #waiting = [];
  #running = 0;

  /** `slots` calls run at once, `size` more may wait; Infinity: no bound. */
  constructor(slots, size) {
    this.resize(slots, size);
  }

  resize(slots, size) {
    Object.assign(this, { slots, size });
    this.#admit();
  }

  get running() {
    return this.#running;
  }

  get waiting() {
    return this.#waiting.length;
  }

  /** Resolves when a slot is ours; rejects with the signal's reason. A call that had a slot before is never refused. */
  enter(signal, { again = false } = {}) {
    signal.throwIfAborted();
    if (this.#running < this.slots && this.#waiting.length === 0) {
      this.#running += 1;
      return Promise.resolve();
    }
    if (!again && this.#waiting.length >= this.size) {
      throw new TGIError("refused", `the queue is full: ${this.#running} calls run and ${this.#waiting.length} wait`);
    }
    return new Promise((resolve, reject) => {
      const entry = { resolve };
      const gaveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        reject(signal.reason);
      };
      entry.admitted = () => signal.removeEventListener("abort", gaveUp);
      signal.addEventListener("abort", gaveUp, { once: true });
      this.#waiting.push(entry);
    });
  }

  leave() {
    this.#running -= 1;
    this.#admit();
  }

  #admit() {
    while (this.#waiting.length && this.#running < this.slots) {
      const entry = this.#waiting.shift();
      this.#running += 1;
      entry.admitted();
      entry.resolve();
    }
  }
}
