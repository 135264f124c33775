// What can go wrong, as one class: `kind` is one of the kit's error kinds.

const KINDS = new Map([
  [400, "bad_request"], [401, "auth"], [403, "auth"], [404, "not_found"], [405, "bad_request"],
  [408, "timeout"], [413, "payload_too_large"], [415, "bad_request"], [422, "validation"],
  [424, "server_error"], [429, "rate_limited"], [504, "server_error"],
]);
const EXCERPT = 500;

export class TGIError extends Error {
  constructor(kind, message, { status, retryAfter, errorType, requestId, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "TGIError";
    Object.assign(this, { kind, status, retryAfter, errorType, requestId });
  }
}

/** The message and type of an error object in any of the shapes that servers use; undefined: it is none. */
export function errorObject(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
  const { error } = value;
  if (error === undefined || error === null) return undefined;
  if (typeof error === "object" && !Array.isArray(error)) {
    return { message: asText(error.message ?? error), type: error.type, status: error.http_status_code };
  }
  return { message: asText(error), type: value.error_type };
}

/** The error for an answer with a status that is no success; `hide` takes the key out of a text. */
export function errorOfStatus(status, body, hide, more = {}) {
  const told = errorObject(parsed(body));
  const text = told === undefined ? body.trim() : told.message;
  const message = hide(text === "" ? "no body" : text).slice(0, EXCERPT);
  const kind = told?.type === "overloaded" && [429, 503].includes(status) ? "overloaded" : kindOf(status);
  const errorType = typeof told?.type === "string" ? told.type : undefined;
  return new TGIError(kind, `HTTP ${status}: ${message}`, { status, errorType, ...more });
}

function kindOf(status) {
  if (KINDS.has(status)) return KINDS.get(status);
  if (status >= 500) return "server_error";
  return status >= 400 ? "bad_request" : "protocol"; // a redirect is not followed: it could take the key elsewhere
}

/** The error for an error object inside a stream or a 200. */
export function errorOfObject(told, hide, more = {}) {
  const overloaded = told.type === "overloaded" || told.message === "Model is overloaded";
  const errorType = typeof told.type === "string" ? told.type : undefined;
  const kind = overloaded ? "overloaded" : "remote_error";
  return new TGIError(kind, hide(told.message).slice(0, EXCERPT), { errorType, ...more });
}

/** An argument that is refused here; nothing was sent. */
export function invalid(message) {
  return new TGIError("invalid_argument", message);
}

export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}
