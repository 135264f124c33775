// The three shapes of TGI's answers, read: "native", "chat" and "completions".

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** A whole answer; undefined where the value is none. `expected`: how many prompts were asked. */
export function readAnswer(value, shape, expected) {
  if (shape === "native") return native(Array.isArray(value) && value.length === 1 ? value[0] : value);
  if (!isObject(value) || !Array.isArray(value.choices) || value.choices.length === 0) return undefined;
  return shape === "chat" ? chat(value) : completions(value, expected);
}

function native(value) {
  if (!isObject(value) || typeof value.generated_text !== "string") return undefined;
  const { tokens, top_tokens: top, prefill } = value.details ?? {};
  const likely = { logprobs: listed(tokens, (token, place) => scored(token, top?.[place])), prompt_logprobs: listed(prefill, (token) => scored(token)) };
  return { text: value.generated_text, ...likely, ...detailed(value.details) };
}

// TGI counts a native prompt in a stream's last event only (TGI 1.4 not even there), and in a header otherwise.
function detailed(details, streamed = false) {
  if (!isObject(details)) return {};
  const { finish_reason: said, generated_tokens: made, input_length: read } = details;
  const known = typeof read === "number";
  const counted = typeof made === "number" && (known || streamed);
  const usage = known ? { prompt_tokens: read, completion_tokens: made, total_tokens: read + made } : { completion_tokens: made };
  return { finish_reason: reason(said), usage: counted ? usage : undefined };
}

const listed = (list, each) => (Array.isArray(list) ? list.map(each) : undefined);

// A native token, and the likeliest ones at its place.
function scored({ text: token, logprob }, top) {
  return { token, logprob, top: listed(top, ({ text, logprob: number }) => ({ token: text, logprob: number })) };
}

function chatLogprobs({ logprobs }) {
  return listed(logprobs?.content, ({ token, logprob, top_logprobs: top }) => ({ token, logprob, top: listed(top, (one) => ({ token: one.token, logprob: one.logprob })) }));
}

// A word, or nothing: what a proxy puts there may be anything.
function reason(said) {
  return typeof said === "string" && said !== "" ? said : undefined;
}

/** The usage that TGI tells in its headers. */
export function usageOfHeaders(headers) {
  const [read, made] = [Number(headers["x-prompt-tokens"]), Number(headers["x-generated-tokens"])];
  if (!(Number.isInteger(read) && Number.isInteger(made))) return undefined;
  return { prompt_tokens: read, completion_tokens: made, total_tokens: read + made };
}

function chat(value) {
  const [choice] = value.choices;
  if (!isObject(choice) || !isObject(choice.message)) return undefined;
  const { content, tool_calls: calls } = choice.message;
  if (typeof content !== "string" && !calls) return undefined;
  const tools = (Array.isArray(calls) ? calls : calls ? [calls] : []).map(toolCall);
  return { text: content ?? "", finish_reason: reason(choice.finish_reason), usage: usage(value.usage), tool_calls: tools, logprobs: chatLogprobs(choice) };
}

function completions(value, expected) {
  const texts = new Array(expected).fill(undefined);
  for (const [place, choice] of value.choices.entries()) {
    if (!isObject(choice) || typeof choice.text !== "string") return undefined;
    texts[choice.index ?? place] = choice.text;
  }
  if (texts.includes(undefined) || texts.length !== expected) return undefined;
  const answer = { text: texts[0], finish_reason: reason(value.choices[0].finish_reason), usage: usage(value.usage) };
  return expected > 1 ? { ...answer, texts } : answer;
}

function usage(value) {
  if (!isObject(value)) return undefined;
  const { prompt_tokens, completion_tokens } = value;
  if (![prompt_tokens, completion_tokens].every(Number.isInteger)) return undefined;
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

function toolCall(call) {
  const { name, arguments: given } = call?.function ?? {};
  return { id: call?.id == null ? undefined : String(call.id), name, ...decoded(given) };
}

function decoded(given) {
  if (typeof given !== "string") return { arguments: given ?? {}, complete: true };
  try {
    return { arguments: JSON.parse(given), complete: true };
  } catch {
    return { arguments: given, complete: false };
  }
}

/** One event of a stream; undefined where it is none. `exposed` is what the caller gets, unless it is `empty`. */
export function readEvent(value, shape) {
  if (!isObject(value)) return undefined;
  if (shape === "native") return nativeEvent(value);
  if (!Array.isArray(value.choices)) return undefined;
  const [choice] = value.choices;
  const counted = usage(value.usage);
  if (choice === undefined) return { exposed: { text: "", usage: counted }, empty: counted === undefined };
  if (!isObject(choice)) return undefined;
  return shape === "chat" ? chatEvent(choice, counted) : completionsEvent(choice, counted);
}

function nativeEvent({ token, top_tokens: top, generated_text: whole, details }) {
  if (!isObject(token) || typeof token.text !== "string") return undefined;
  const done = typeof whole === "string";
  return { exposed: { text: token.text, special: token.special === true, done, logprobs: [scored(token, top)], ...detailed(details, true) }, done };
}

function chatEvent(choice, counted) {
  const delta = choice.delta ?? {};
  const text = typeof delta.content === "string" ? delta.content : "";
  const finish = reason(choice.finish_reason);
  const calls = Array.isArray(delta.tool_calls) ? delta.tool_calls : delta.tool_calls ? [delta.tool_calls] : [];
  const exposed = { text, role: delta.role, finish_reason: finish, usage: counted, tool_call_delta: calls.length ? calls.map(toolDelta) : undefined, logprobs: chatLogprobs(choice) };
  return { exposed, done: Boolean(finish), empty: text === "" && finish === undefined && counted === undefined && calls.length === 0 };
}

function toolDelta(call) {
  const { name, arguments: given } = call.function ?? {};
  const text = given === undefined || typeof given === "string" ? given : JSON.stringify(given);
  return { index: call.index ?? 0, id: call.id == null ? undefined : String(call.id), name: name ?? undefined, arguments: text };
}

function completionsEvent(choice, counted) {
  const text = typeof choice.text === "string" ? choice.text : "";
  const finish = reason(choice.finish_reason);
  const exposed = { text, index: choice.index ?? 0, finish_reason: finish, usage: counted };
  return { exposed, done: Boolean(finish), empty: text === "" && !finish && counted === undefined };
}

/** Tells, event by event, whether the stream is complete by now. */
export function terminal(shape, expected) {
  if (shape !== "completions") {
    let over = false;
    return (piece) => (over ||= piece.done === true);
  }
  const finished = new Set();
  return (piece) => {
    if (piece.done) finished.add(piece.exposed.index);
    return finished.size >= expected;
  };
}
