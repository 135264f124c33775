// Adapter for the package `openai` of npm under Node: chat.completions.create and completions.create.

import { serve } from "../../host/node/host.mjs"; // first: it watches what the client does from its import on

import OpenAI from "openai";
import { VERSION } from "openai/version";

const COMMON = ["frequency_penalty", "headers", "max_tokens", "model", "seed", "stop", "temperature", "top_p"];
const CHAT = [
  ...COMMON, "guideline", "logit_bias", "logprobs", "n", "presence_penalty", "response_format", "stream_options", "tool_choice",
  "tool_prompt", "tools", "top_logprobs",
];
const COMPLETIONS = [...COMMON, "repetition_penalty", "suffix"];
const RETRY = {
  statuses: [408, 409, 429, ...Array.from({ length: 100 }, (_, index) => 500 + index)],
  faults: ["refused", "reset", "closed", "timeout"],
  max_retries: 2, initial_delay: 0.5, factor: 2, max_delay: 8, jitter: [0.75, 1], max_retry_after: 60,
};
const NO_KEY = "-"; // the client refuses to send without one
const KINDS = {
  401: "auth", 403: "auth", 404: "not_found", 413: "payload_too_large", 422: "validation", 424: "server_error", 429: "rate_limited",
};
const TYPES = [
  [OpenAI.APIUserAbortError, "cancelled"], [OpenAI.APIConnectionTimeoutError, "timeout"],
  [OpenAI.APIConnectionError, "transport"], [OpenAI.APIError, "remote_error"],
  [OpenAI.OpenAIError, "invalid_argument"], [SyntaxError, "protocol"],
];

class Adapter {
  #clients = new Map();
  #models = new Map();

  describe() {
    return {
      name: "openai-node",
      version: VERSION,
      capabilities: "core chat completions stream async cancel keys retry timeout update tools grammar logprobs img".split(" "),
      settings: ["model", "max_retries", "timeout", "headers"],
      parameters: { chat: CHAT, completions: COMPLETIONS },
      retry: RETRY,
      // The waits are those of Node's fetch, which end before the client's own 600 s.
      defaults: { connect_timeout: 10, read_timeout: 300, placeholder_key: NO_KEY },
    };
  }

  create_endpoint({ base_url, api_key, model = "tgi", ...settings }) {
    const id = `endpoint-${this.#clients.size + 1}`;
    this.#models.set(id, model);
    this.#clients.set(id, new OpenAI({ baseURL: withV1(base_url), apiKey: api_key ?? NO_KEY, ...options(settings) }));
    return id;
  }

  update_endpoint({ endpoint_id: id, model = this.#models.get(id), ...settings }) {
    this.#models.set(id, model);
    this.#clients.set(id, this.#clients.get(id).withOptions(options(settings)));
  }

  chat({ messages, endpoint_id: id, ...given }, context) {
    return this.#call(this.#clients.get(id).chat.completions, id, { messages, ...given }, context);
  }

  completions({ prompt, endpoint_id: id, ...given }, context) {
    return this.#call(this.#clients.get(id).completions, id, { prompt, ...given }, context);
  }

  async #call(resource, id, { headers, ...body }, { signal }) {
    const result = await resource.create({ model: this.#models.get(id), ...body }, { signal, ...(headers && { headers }) });
    return body.stream ? pieces(result) : answer(result);
  }

  public_objects() {
    return [...this.#clients.values()];
  }

  classify(error) {
    const { status, message } = error;
    if (status) return { kind: KINDS[status] ?? (status >= 500 ? "server_error" : "bad_request"), status, message };
    const [, kind = "unmapped"] = TYPES.find(([type]) => error instanceof type) ?? [];
    return { kind, message };
  }
}

// The base URL that the client wants; a slash at the end and a query are its to deal with.
function withV1(base) {
  const [, path, slash, query] = /^(.*?)(\/?)(\?.*)?$/.exec(base);
  return `${path}/v1${slash}${query ?? ""}`;
}

function options({ timeout, max_retries: maxRetries, headers: defaultHeaders, api_key: apiKey }) {
  const given = { timeout: timeout && Math.round(timeout * 1000), maxRetries, defaultHeaders, apiKey };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

// The client checks no answer: any member may be missing, null, or of another type than it is declared to be.
function answer(result) {
  const choices = list(result?.choices);
  const [choice] = choices;
  // A caller sees by the index which prompt a choice belongs to.
  const texts = choices.length > 1 ? choices.toSorted((a, b) => a.index - b.index).map(({ text }) => text) : undefined;
  return { ...told(choice, result), text: choice?.message?.content ?? choice?.text, texts, tool_calls: calls(choice?.message) };
}

async function* pieces(chunks) {
  for await (const chunk of chunks) {
    for (const choice of list(chunk?.choices).length ? chunk.choices : [undefined]) {
      const { index, delta, text = delta?.content } = choice ?? {};
      yield { ...told(choice, chunk), text, index, role: delta?.role, tool_call_delta: calls(delta, "index") };
    }
  }
}

function calls(message, ...more) {
  const read = (call) => ({ ...picked(call, "id", ...more), ...picked(call?.function, "name", "arguments") });
  return list(message?.tool_calls).map(read);
}

function told(choice, result) {
  const tokens = choice?.logprobs?.content?.map((token) => ({ ...one(token), top: token.top_logprobs?.map(one) }));
  const usage = result?.usage && picked(result.usage, "prompt_tokens", "completion_tokens", "total_tokens");
  return { finish_reason: choice?.finish_reason, usage, logprobs: tokens };
}

const list = (held) => (Array.isArray(held) ? held : []);
const picked = (held, ...names) => Object.fromEntries(names.map((name) => [name, held?.[name]]));
const one = (token) => picked(token, "token", "logprob");

serve(new Adapter());
