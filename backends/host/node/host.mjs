// The kit's protocol over standard input and output: reads lines, calls the adapter, answers lines.
// It knows nothing of TGI; write your own adapter.mjs and keep this file, fence.mjs and frames.mjs.

import { stand, went } from "./fence.mjs";
import { codeOfAdapter, placeOf } from "./frames.mjs";

import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { inspect, isDeepStrictEqual } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const METHODS = [
  "describe", "create_endpoint", "update_endpoint", "generate", "chat", "completions", "submit", "test_endpoint", "get_stats",
  "reset_stats", "public_objects", "classify", "close_endpoint", "close",
];
const TAGS = ["$float", "$int", "$bytes", "$map", "$object"];
const PART = 400_000; // characters; escaped twice they stay below the protocol's line of 1 MiB
const MOST = 64 * 1024 * 1024;
const TICK = 20;

export function serve(adapter) {
  new Host(adapter).run();
}

class Host {
  #adapter;
  #calls = new Map();
  #parts = new Map();
  #sent = 0;
  #watch = watchProcess();

  constructor(adapter) {
    this.#adapter = adapter;
  }

  run() {
    const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
    lines.on("line", (line) => this.#line(line));
    // End of input, or "bye": nothing of ours keeps the process alive, so it ends when the backend lets it.
    lines.on("close", () => process.stdin.destroy());
    this.bye = () => lines.close();
    process.on("unhandledRejection", (reason) => console.error("unhandled rejection:", reason));
  }

  #line(line) {
    if (!line.startsWith('{"tgic":1,')) return;
    const message = JSON.parse(line);
    if (message.part === undefined) return this.#take(message);
    const { of, count, index, text } = message.part;
    const texts = this.#parts.get(of) ?? [];
    texts[index] = text;
    this.#parts.set(of, texts);
    if (index + 1 < count) return undefined;
    this.#parts.delete(of);
    return this.#take(JSON.parse(texts.join("")));
  }

  #census({ id, collect }) {
    const memory = collect === false ? undefined : memoryInUse();
    this.send({ event: "census", id, at: now(), ...this.#watch.census(), open_calls: this.#calls.size, memory });
  }

  #take(message) {
    const { op, id } = message;
    if (op === "hello") this.#hello(message);
    else if (op === "call") this.#calls.set(id, new Call(this, this.#adapter, message));
    else if (op === "census") this.#census(message);
    else if (op === "bye") this.bye();
    else this.#calls.get(id)?.[op](message); // a call that has ended crossed this message
  }

  #hello({ id, protocol, network }) {
    if (!protocol.includes(1)) return this.send({ event: "failed", id, stage: "protocol", text: "this host speaks protocol 1 only" });
    const implemented = METHODS.filter((method) => typeof this.#adapter[method] === "function");
    const language = `Node ${process.versions.node}`;
    const fence = stand(network);
    const description = this.#adapter.describe();
    return this.send({
      event: "hello", id, protocol: 1, language, description, code: codeOfAdapter(), implemented, pid: process.pid, fence,
    });
  }

  end(id) {
    this.#calls.delete(id);
  }

  send(message) {
    const text = ascii(JSON.stringify({ tgic: 1, ...message }));
    if (text.length > MOST) throw new RangeError(`a message of ${text.length} bytes is over the protocol's 64 MiB`);
    if (text.length <= 1_000_000) return void process.stdout.write(`${text}\n`);
    this.#sent += 1;
    const count = Math.ceil(text.length / PART);
    for (let index = 0; index < count; index += 1) {
      const part = { of: this.#sent, index, count, text: text.slice(index * PART, (index + 1) * PART) };
      process.stdout.write(`${JSON.stringify({ tgic: 1, part })}\n`);
    }
    return undefined;
  }
}

// One call of the adapter, from "call" to its one last message.
class Call {
  #host;
  #adapter;
  #id;
  #args;
  #before;
  #abort = new AbortController();
  #stream;
  #queue = Promise.resolve();
  #over = false;
  #left;

  constructor(host, adapter, message) {
    this.#host = host;
    this.#adapter = adapter;
    this.#id = message.id;
    this.#args = decode(message.args);
    this.#before = structuredClone(this.#args);
    this.#run(message.method).catch((error) => this.#failed(error));
  }

  async #run(method) {
    this.#say({ event: "entered" });
    const value = await this.#adapter[method](this.#args, { signal: this.#abort.signal });
    if (value !== null && typeof value === "object" && Symbol.asyncIterator in value) {
      this.#stream = value[Symbol.asyncIterator]();
      this.#say({ event: "stream" });
    } else {
      this.#end({ event: "result", value: encode(value), truthy: Boolean(value) });
    }
  }

  read({ n }) {
    this.#next(async () => {
      for (let count = 0; count < n && this.#left === undefined; count += 1) {
        const { done, value } = await this.#stream.next();
        if (done) return this.#end({ event: "end" });
        if (this.#left === undefined) this.#say({ event: "piece", value: encode(value) });
      }
      return undefined;
    });
  }

  leave({ how = "close" }) {
    this.#left = how;
    this.#next(async () => {
      if (how === "throw") await this.#stream.throw(new Error("the consumer's loop failed")).catch(() => {});
      else await this.#stream.return();
      this.#end({ event: "left" });
    });
  }

  cancel() {
    this.#abort.abort();
  }

  #next(step) {
    this.#queue = this.#queue.then(() => (this.#over ? undefined : step())).catch((error) => this.#failed(error));
  }

  #failed(error) {
    let info = null;
    let problem;
    try {
      info = encode(this.#adapter.classify(error) ?? { kind: "unmapped" });
    } catch (failure) {
      const [place] = failure instanceof Error ? (placeOf(failure).frames ?? []) : [];
      problem = `classify failed: ${failure}${place === undefined ? "" : ` at ${place.file}:${place.line} in ${place.function}`}`;
    }
    this.#end({ event: "error", info, exception: chain(error), ...(problem === undefined ? {} : { problem }) });
  }

  #end(message) {
    if (this.#over) return;
    this.#over = true;
    this.#host.end(this.#id);
    const mutated = Object.keys(this.#before).filter((name) => !isDeepStrictEqual(this.#before[name], this.#args[name]));
    try {
      this.#say(mutated.length ? { ...message, mutated } : message);
    } catch (error) {
      this.#say({ event: "refused", text: String(error) });
    }
  }

  #say({ event, ...more }) {
    this.#host.send({ event, id: this.#id, ...more, at: now() });
  }
}

function now() {
  return Number(process.hrtime.bigint()) / 1e9;
}

function ascii(text) {
  return text.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A value of ours in the protocol's form; members that are undefined are left out. */
export function encode(value) {
  if (value === undefined) return null;
  if (typeof value === "bigint") return { $int: value.toString() };
  if (typeof value === "number" && !Number.isFinite(value)) return { $float: String(value).replace("Infinity", "inf").replace("NaN", "nan") };
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return { $int: BigInt(value).toString() };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(encode);
  if (value === null || typeof value !== "object") return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) {
    return { $object: { type: value.constructor?.name ?? "object", repr: inspect(value).slice(0, 16_000), str: String(value).slice(0, 16_000) } };
  }
  const members = Object.entries(value).filter(([, item]) => item !== undefined);
  if (members.length === 1 && TAGS.includes(members[0][0])) return { $map: [[members[0][0], encode(members[0][1])]] };
  return Object.fromEntries(members.map(([key, item]) => [key, encode(item)]));
}

/** A value of the protocol in ours. */
export function decode(value) {
  if (Array.isArray(value)) return value.map(decode);
  if (value === null || typeof value !== "object") return value;
  const [[tag, held] = [], ...others] = Object.entries(value);
  if (others.length === 0) {
    if (tag === "$float") return Number(held.replace("inf", "Infinity"));
    if (tag === "$int") return BigInt(held);
    if (tag === "$bytes") return Buffer.from(held, "base64");
    if (tag === "$map") return Object.fromEntries(held.map(([key, item]) => [key, decode(item)]));
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decode(item)]));
}

// Many classes of errors leave their name as they got it, which says nothing of them.
function typeOf(error) {
  return error.name === "Error" ? (error.constructor?.name ?? "Error") : error.name;
}

function chain(error) {
  const links = [];
  for (let link = error, relation = "raised"; link !== undefined && links.length < 8; link = link.cause, relation = "cause") {
    const isError = link instanceof Error;
    links.push({
      type: isError ? typeOf(link) : typeof link,
      message: String(isError ? link.message : link).slice(0, 16_000),
      repr: inspect(link, { depth: 2 }).slice(0, 16_000),
      args: [String(isError ? link.message : link).slice(0, 16_000)],
      relation,
      ...(isError ? placeOf(link) : {}),
    });
    if (!isError) break;
  }
  return links;
}

// What lives in this process, and what it did since the last census.
function watchProcess() {
  let gap = 0;
  const warnings = [];
  process.on("warning", (warning) => warnings.push({ category: warning.name, text: warning.message }));
  let last = performance.now();
  setInterval(() => {
    gap = Math.max(gap, performance.now() - last);
    last = performance.now();
  }, TICK).unref();
  const own = descriptors();
  return {
    census() {
      const seen = { ...counted(own), ...went(), tick_gap: gap / 1000 };
      gap = 0;
      return seen;
    },
  };
}

function descriptors() {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return undefined;
  }
}

// Bytes of the objects that are left after a collection. The collector is asked for when it is first needed: a
// program started with --expose-gc would show it to the backend. It works twice, since the bytes of buffers are
// given back behind a collection, and counted as gone at the next.
let collect;
function memoryInUse() {
  if (!collect) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc");
    setFlagsFromString("--no-expose-gc");
  }
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function counted(own) {
  const sockets = process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
  const now = descriptors();
  return own === undefined || now === undefined ? { sockets } : { sockets, descriptors: Math.max(0, now - own) };
}
