// A small client of Text Generation Inference on node:http, without dependencies: the backend under test.

import { setTimeout as sleep } from "node:timers/promises";

import { readAnswer, readEvent, terminal, usageOfHeaders } from "./answers.mjs";
import * as bodies from "./bodies.mjs";
import { bytesOf } from "./body.mjs";
import { agentFor, post, timedOut } from "./connection.mjs";
import { encodeJSON } from "./encode.mjs";
import { errorObject, errorOfObject, errorOfStatus, invalid, parsed, TGIError } from "./errors.mjs";
import { Queue } from "./queue.mjs";
import { passes, retryAfter, waitAfter } from "./retry.mjs";
import { EventReader } from "./sse.mjs";
import { Stats } from "./stats.mjs";

export const DEFAULTS = {
  maxConcurrentRequests: 64, queueSize: 1024, queueEnabled: true,
  maxRetries: 2, initialRetryDelay: 0.5, backoffFactor: 2, maxRetryDelay: 8, timeout: 60,
};
const LONGEST_ERROR = 64 * 1024;
/** Milliseconds that a stream whose last event has come may take to end; then its connection is closed. */
const LINGER = 200;

export class Endpoint {
  stats = new Stats();
  /** Until when (`performance.now()`) the server asked to be left alone, and whether it refused the key. */
  blockedUntil = 0;
  rejected = false;
  #url;
  #key;
  #model;
  #headers;
  #settings;
  #agent;
  #queue;
  #running = new Set();
  #closed = false;

  constructor({ baseUrl, apiKey, model, headers, ...settings }) {
    this.#url = new URL(baseUrl.replace(/\/+$/, "").replace(/\/v1$/, ""));
    if (!["http:", "https:"].includes(this.#url.protocol)) throw invalid(`no http URL: ${baseUrl}`);
    this.#key = apiKey === undefined ? undefined : usable(apiKey);
    this.#model = model;
    this.#headers = sendable(headers);
    this.#agent = agentFor(this.#url);
    this.#queue = new Queue(1, 0);
    this.update({ ...DEFAULTS, ...settings });
  }

  /** Changes settings, the model, the caller's headers or the key; calls made before keep their key. */
  update({ model, apiKey, headers, ...settings }) {
    if (apiKey !== undefined) this.#key = usable(apiKey);
    if (model !== undefined) this.#model = model;
    if (headers !== undefined) this.#headers = sendable(headers);
    this.#settings = checked({ ...this.#settings, ...settings });
    const { maxConcurrentRequests, queueSize, queueEnabled } = this.#settings;
    this.#queue.resize(maxConcurrentRequests, queueEnabled ? queueSize : 0);
  }

  get load() {
    return { current_requests: this.#queue.running, queue_size: this.#queue.waiting };
  }

  get full() {
    return this.#queue.running >= this.#queue.slots;
  }

  generate(prompt, parameters, options) {
    const path = options.stream ? "/generate_stream" : "/generate";
    return this.#call("native", path, () => bodies.native(prompt, parameters, options.stream), options);
  }

  chat(messages, parameters, options) {
    return this.#call("chat", "/v1/chat/completions", () => bodies.chat(messages, parameters, options.stream), options);
  }

  completions(prompt, parameters, options) {
    const expected = Array.isArray(prompt) ? prompt.length : 1;
    return this.#call("completions", "/v1/completions", () => ({ prompt, ...parameters }), { ...options, expected });
  }

  close() {
    this.#closed = true;
    for (const controller of this.#running) controller.abort(new TGIError("closed", "the endpoint was closed"));
    this.#agent.destroy();
  }

  // One call, from the first attempt to its answer, or to the end of its stream.
  async #call(shape, path, makeBody, { stream = false, requestId, headers, deadline, signal, expected = 1 }) {
    if (this.#closed) throw new TGIError("closed", "the endpoint is closed");
    const ended = this.stats.begin();
    const life = this.#begin(deadline, signal);
    const call = { shape, path, stream, expected, requestId, key: this.#key, ends: life.ends, signal: life.signal, slot: false };
    const settle = (succeeded) => {
      if (call.slot) this.#queue.leave();
      call.slot = false;
      life.over();
      ended(succeeded, call.used);
    };
    try {
      if (requestId !== undefined && !/^[\x21-\x7e]+$/.test(requestId)) throw invalid("a request id is visible ASCII");
      call.headers = { ...this.#headers, ...sendable(headers) };
      call.body = this.#encode(call, makeBody());
      const answer = await this.#attempts(call);
      if (stream) return watched(answer, settle);
      settle(true);
      return answer;
    } catch (error) {
      settle(false);
      throw error;
    }
  }

  #encode({ shape, stream }, fields) {
    const model = shape === "native" || this.#model === undefined ? {} : { model: this.#model };
    return encodeJSON({ ...model, ...fields, ...(stream ? { stream: true } : {}) });
  }

  // What ends a call from outside: its deadline, its caller, the endpoint's close.
  #begin(deadline, signal) {
    const controller = new AbortController();
    const late = () => controller.abort(timedOut("the deadline of the call"));
    const timer = deadline === undefined ? undefined : setTimeout(late, deadline * 1000);
    const cancel = () => controller.abort(new TGIError("cancelled", "the call was cancelled"));
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
    this.#running.add(controller);
    const over = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
      this.#running.delete(controller);
    };
    return { signal: controller.signal, ends: deadline === undefined ? Infinity : performance.now() + deadline * 1000, over };
  }

  async #attempts(call) {
    for (let k = 0; ; k += 1) {
      await this.#queue.enter(call.signal, { again: k > 0 });
      call.slot = true;
      try {
        return await (call.stream ? this.#stream(call) : this.#whole(call));
      } catch (error) {
        this.#remember(error);
        if (k >= this.#settings.maxRetries || call.signal.aborted || !passes(error)) throw error;
        const wait = waitAfter(k, error, this.#settings);
        if (wait === undefined || performance.now() + wait * 1000 >= call.ends) throw error;
        // Others may go while this call sleeps.
        this.#queue.leave();
        call.slot = false;
        await sleep(wait * 1000, undefined, { signal: call.signal }).catch(() => {
          throw call.signal.reason;
        });
      }
    }
  }

  #remember({ kind, retryAfter: after }) {
    if (kind === "auth") this.rejected = true;
    if (after !== undefined) this.blockedUntil = performance.now() + after * 1000;
  }

  async #whole(call) {
    const response = await this.#send(call);
    return this.#read(await this.#text(response, call), response, call);
  }

  async #text(response, call) {
    const chunks = [];
    for await (const bytes of this.#bytes(response, call)) chunks.push(bytes);
    return Buffer.concat(chunks).toString("utf8");
  }

  #read(text, response, call) {
    const more = { status: response.statusCode, requestId: call.requestId };
    const value = parsed(text);
    const told = errorObject(value);
    if (told !== undefined) throw errorOfObject(told, hider(call), more);
    const answer = readAnswer(value, call.shape, call.expected);
    if (answer === undefined) {
      throw new TGIError("protocol", `HTTP ${response.statusCode} with a body that is no answer: ${hider(call)(text).slice(0, 200)}`, more);
    }
    answer.usage ??= usageOfHeaders(response.headers);
    call.used = answer.usage;
    return { ...answer, request_id: call.requestId };
  }

  // A stream is open once its first piece is there: until then nothing was handed out, and it may be tried again.
  async #stream(call) {
    const response = await this.#send(call);
    const isStream = /^\s*text\/event-stream\s*(;|$)/i.test(response.headers["content-type"] ?? "");
    const pieces = isStream ? this.#pieces(response, call) : inOnePiece(this.#read(await this.#text(response, call), response, call));
    return startingWith(await pieces.next(), pieces);
  }

  async *#pieces(response, call) {
    const reader = new EventReader();
    const complete = terminal(call.shape, call.expected);
    let over = false;
    try {
      for await (const bytes of this.#bytes(response, call)) {
        for (const event of reader.push(bytes)) {
          if (event.data === "[DONE]") {
            over = true;
            return;
          }
          if (event.data === "" && event.name !== "error") continue; // a server that keeps the connection alive
          const piece = this.#event(event, call);
          over = complete(piece);
          call.used = piece.exposed.usage ?? call.used;
          if (!piece.empty) yield { ...piece.exposed, request_id: call.requestId };
          if (over && call.shape === "native") return;
        }
      }
      if (!over) throw new TGIError("truncated_stream", "the stream ended before it was complete", { requestId: call.requestId });
    } finally {
      if (over) linger(response);
      else response.destroy();
    }
  }

  #event({ name, data }, call) {
    const value = parsed(data);
    const told = errorObject(value) ?? (name === "error" ? { message: data } : undefined);
    if (told !== undefined) throw errorOfObject(told, hider(call), { requestId: call.requestId });
    const piece = readEvent(value, call.shape);
    if (piece === undefined) throw new TGIError("protocol", "an event of the stream cannot be read", { requestId: call.requestId });
    return piece;
  }

  // Sends one request; returns its answer once a good head is there.
  async #send(call) {
    const response = await this.#request(call);
    if (response.statusCode >= 200 && response.statusCode < 300) return response;
    let body = "";
    for await (const bytes of this.#bytes(response, call)) {
      body += bytes.toString("utf8");
      if (body.length > LONGEST_ERROR) break;
    }
    if (!response.complete) response.destroy();
    const after = retryAfter(response.headersDistinct["retry-after"]);
    throw errorOfStatus(response.statusCode, body, hider(call), { retryAfter: after, requestId: call.requestId });
  }

  async #request(call) {
    const headers = { accept: call.stream ? "text/event-stream" : "application/json" };
    if (call.key !== undefined) headers.authorization = `Bearer ${call.key}`;
    if (call.requestId !== undefined) headers["x-request-id"] = call.requestId;
    Object.assign(headers, call.headers);
    const url = new URL(this.#url);
    url.pathname = url.pathname.replace(/\/+$/, "") + call.path;
    try {
      return await post(url, call.body, { headers, agent: this.#agent, signal: call.signal, timeout: this.#settings.timeout });
    } catch (error) {
      throw failure(error, call, { beforeAnswer: true });
    }
  }

  async *#bytes(response, call) {
    try {
      yield* bytesOf(response, this.#settings.timeout, () => timedOut("silence in the answer"));
    } catch (error) {
      throw failure(error, call, { beforeAnswer: false });
    }
  }
}

function failure(error, call, more) {
  if (call.signal.aborted) return call.signal.reason;
  if (error instanceof TGIError) return error;
  const told = new TGIError("transport", `${error.code ?? "failure"}: ${hider(call)(error.message)}`, { cause: error });
  return Object.assign(told, more);
}

// Takes the key out of what a server said.
function hider({ key }) {
  return (text) => (key === undefined ? text : text.replaceAll(key, "***"));
}

async function* inOnePiece(answer) {
  for (const [index, text] of (answer.texts ?? [answer.text]).entries()) {
    yield { text, index, done: true, finish_reason: answer.finish_reason, tool_calls: answer.tool_calls, request_id: answer.request_id };
  }
}

async function* startingWith(first, rest) {
  try {
    if (!first.done) yield first.value;
    yield* rest;
  } finally {
    await rest.return();
  }
}

// Hands a stream on, and says how it ended: a stream that its reader left was no success.
async function* watched(pieces, settle) {
  let whole = false;
  try {
    yield* pieces;
    whole = true;
  } finally {
    settle(whole);
  }
}

function usable(key) {
  if (!/^[\x21-\x7e]+$/.test(key)) throw invalid("the key has characters that no header may have");
  return key;
}

// Headers that the client sets by itself; a second word on them is refused.
const OWN = ["authorization", "content-type", "content-length", "host", "connection", "transfer-encoding", "x-request-id"];

// The caller's headers by their lower-case names, checked.
function sendable(headers = {}) {
  const named = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  for (const [name, value] of named) {
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name) || !/^[\t\x20-\x7e]*$/.test(value)) throw invalid("a header cannot be sent");
    if (OWN.includes(name)) throw invalid(`the header ${name} is set by this client`);
  }
  return Object.fromEntries(named);
}

function linger(response) {
  const end = setTimeout(() => response.destroy(), LINGER);
  response.on("close", () => clearTimeout(end));
  response.on("error", () => clearTimeout(end));
  response.resume();
}

function checked(settings) {
  const numbers = Object.entries(settings).filter(([name]) => name !== "queueEnabled");
  for (const [name, value] of numbers) {
    const whole = ["maxConcurrentRequests", "queueSize", "maxRetries"].includes(name);
    const good = typeof value === "number" && value < Infinity && (whole ? Number.isInteger(value) : true);
    const least = { maxConcurrentRequests: 1, timeout: Number.MIN_VALUE, backoffFactor: Number.MIN_VALUE }[name] ?? 0;
    if (!good || !(value >= least)) throw invalid(`${name} cannot be ${value}`);
  }
  return settings;
}
