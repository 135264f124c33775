// Joins the client to the kit:  tgi-conformance run --backend-command "node docs/examples/node/adapter.mjs"

import { serve } from "../../../backends/host/node/host.mjs"; // first: it watches what the client does from its import on

import { DEFAULTS, Endpoint } from "./client.mjs";
import { CONNECT_TIMEOUT } from "./connection.mjs";
import { invalid, TGIError } from "./errors.mjs";
import { POLICY } from "./retry.mjs";
import { sum } from "./stats.mjs";

const COMMON = ["deadline", "frequency_penalty", "headers", "seed", "stop", "temperature", "top_p"];
const SETTINGS = {
  max_concurrent_requests: "maxConcurrentRequests", queue_size: "queueSize", queue_enabled: "queueEnabled", max_retries: "maxRetries",
  initial_retry_delay: "initialRetryDelay", backoff_factor: "backoffFactor", max_retry_delay: "maxRetryDelay", timeout: "timeout",
  model: "model", headers: "headers",
};

class Adapter {
  #endpoints = new Map();
  #closed = false;
  #made = 0;
  #last = -1;

  describe() {
    return {
      name: "node-example",
      version: "0.1.0",
      capabilities: [
        "core", "native", "chat", "completions", "stream", "retry", "queue", "keys", "rotate", "stats", "reset", "update", "reqid",
        "probe", "async", "cancel", "timeout", "close", "tools", "logprobs", "grammar", "img", "img-bytes", "img-native",
      ],
      retry: {
        statuses: POLICY.statuses, faults: POLICY.faults, jitter: POLICY.jitter, max_retry_after: POLICY.maxRetryAfter,
        max_retries: DEFAULTS.maxRetries, initial_delay: DEFAULTS.initialRetryDelay, factor: DEFAULTS.backoffFactor,
        max_delay: DEFAULTS.maxRetryDelay, keeps_slot: false,
      },
      defaults: {
        connect_timeout: CONNECT_TIMEOUT, read_timeout: DEFAULTS.timeout,
        max_concurrent_requests: DEFAULTS.maxConcurrentRequests, queue_size: DEFAULTS.queueSize,
      },
      settings: Object.keys(SETTINGS),
      parameters: {
        generate: [
          ...COMMON, "adapter_id", "best_of", "decoder_input_details", "details", "do_sample", "grammar", "max_new_tokens",
          "repetition_penalty", "return_full_text", "top_k", "top_n_tokens", "truncate", "typical_p", "watermark",
        ],
        chat: [
          ...COMMON, "logit_bias", "logprobs", "max_tokens", "model", "n", "presence_penalty", "response_format", "stream_options",
          "tool_choice", "tool_prompt", "tools", "top_logprobs",
        ],
        completions: [...COMMON, "max_tokens", "model", "repetition_penalty", "suffix"],
      },
      request_id_header: "X-Request-Id",
      full_queue: "refuse",
    };
  }

  create_endpoint({ base_url: baseUrl, api_key: apiKey, ...given }) {
    this.#made += 1;
    const id = `endpoint-${this.#made}`;
    this.#endpoints.set(id, new Endpoint({ baseUrl, apiKey: apiKey ?? undefined, ...settings(given) }));
    return id;
  }

  update_endpoint({ endpoint_id: id, api_key: apiKey, ...given }) {
    this.#endpoint(id).update({ apiKey, ...settings(given) });
  }

  generate(args, context) {
    return this.#call("generate", "prompt", args, context);
  }

  chat(args, context) {
    return this.#call("chat", "messages", args, context);
  }

  completions(args, context) {
    return this.#call("completions", "prompt", args, context);
  }

  // async, so that what the client throws at once is a rejection like any other
  async #call(method, subject, { [subject]: asked, endpoint_id, request_id, headers, stream, deadline, ...given }, { signal }) {
    const parameters = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
    if (typeof parameters.stop === "string") parameters.stop = [parameters.stop];
    const options = { stream, signal, requestId: request_id ?? undefined, headers: headers ?? undefined, deadline: deadline ?? undefined };
    return this.#endpoint(endpoint_id)[method](asked, parameters, options);
  }

  /** The endpoint of an id; without one, the next in turn that may be asked now. */
  #endpoint(id) {
    if (this.#closed) throw new TGIError("closed", "the client is closed");
    if (id !== undefined && id !== null) {
      if (!this.#endpoints.has(id)) throw invalid(`no endpoint ${id}`);
      return this.#endpoints.get(id);
    }
    const all = [...this.#endpoints.values()];
    const inTurn = [...all.slice(this.#last + 1), ...all.slice(0, this.#last + 1)].filter((endpoint) => !endpoint.rejected);
    const free = inTurn.filter((endpoint) => endpoint.blockedUntil <= performance.now());
    const chosen = free.find((endpoint) => !endpoint.full) ?? free[0] ?? inTurn[0];
    if (chosen === undefined) throw all.length ? new TGIError("auth", "the server refused every key") : invalid("there is no endpoint");
    this.#last = all.indexOf(chosen);
    return chosen;
  }

  async test_endpoint({ base_url, api_key, model }) {
    const endpoint = new Endpoint({ baseUrl: base_url, apiKey: api_key ?? undefined, model: model ?? undefined, maxRetries: 0 });
    try {
      await endpoint.chat([{ role: "user", content: "Hi" }], { max_tokens: 1 }, {});
      return true;
    } catch (error) {
      if (error instanceof TGIError) return false;
      throw error;
    } finally {
      endpoint.close();
    }
  }

  get_stats({ endpoint_id: id }) {
    const chosen = id === undefined || id === null ? [...this.#endpoints.values()] : [this.#endpoint(id)];
    const load = chosen.map((endpoint) => endpoint.load);
    const total = (name) => load.reduce((all, one) => all + one[name], 0);
    return {
      ...sum(chosen.map((endpoint) => endpoint.stats.snapshot())), endpoints_count: this.#endpoints.size,
      current_requests: total("current_requests"), queue_size: total("queue_size"),
    };
  }

  reset_stats({ endpoint_id: id }) {
    const chosen = id === undefined || id === null ? this.#endpoints.values() : [this.#endpoint(id)];
    for (const endpoint of chosen) endpoint.stats.reset();
  }

  close_endpoint({ endpoint_id: id }) {
    this.#endpoints.get(id)?.close();
    this.#endpoints.delete(id);
  }

  close() {
    this.#closed = true;
    for (const endpoint of this.#endpoints.values()) endpoint.close();
  }

  public_objects() {
    return [...this.#endpoints.values()];
  }

  classify(error) {
    if (!(error instanceof TGIError)) return undefined;
    const { kind, status, message, retryAfter: retry_after, errorType: error_type, requestId: request_id } = error;
    return { kind, status, message, retry_after, error_type, request_id };
  }
}

function settings(given) {
  const unknown = Object.keys(given).filter((name) => !(name in SETTINGS));
  if (unknown.length) throw invalid(`unknown setting: ${unknown.join(", ")}`);
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null).map(([name, value]) => [SETTINGS[name], value]));
}

serve(new Adapter());
