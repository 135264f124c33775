// When to try again, and how long to wait before.

export const POLICY = {
  statuses: [429, 502, 503, 504],
  faults: ["refused", "reset", "closed", "overloaded_event"],
  jitter: [0.5, 1],
  maxRetryAfter: 60, // seconds; a server that asks for more gets no further attempt
};
const IMF_FIXDATE =
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/;
const CONNECTION_CODES = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ECONNABORTED"]);

/** Seconds that the Retry-After lines of an answer ask for; undefined where there is none, or it is no good. */
export function retryAfter(lines, now = Date.now()) {
  if (lines === undefined || lines.length !== 1) return undefined;
  const text = lines[0].trim();
  if (/^[0-9]+$/.test(text)) return Math.min(Number(text), Number.MAX_SAFE_INTEGER); // however many digits
  if (!IMF_FIXDATE.test(text)) return undefined;
  const seconds = (Date.parse(text) - now) / 1000;
  return seconds >= 0 ? seconds : undefined;
}

/** Whether a failure may pass by itself. Output was never handed out before it. */
export function passes(error) {
  if (error.kind === "overloaded") return true;
  if (error.status !== undefined) return POLICY.statuses.includes(error.status);
  return error.kind === "transport" && error.beforeAnswer === true && CONNECTION_CODES.has(error.cause?.code);
}

/** Seconds to wait after attempt `k` (from 0); undefined: give up. */
export function waitAfter(k, error, settings) {
  const grown = settings.initialRetryDelay * settings.backoffFactor ** k;
  const [least, most] = POLICY.jitter;
  const own = Math.min(settings.maxRetryDelay, grown) * (least + Math.random() * (most - least));
  if (error.retryAfter === undefined) return own;
  return error.retryAfter > POLICY.maxRetryAfter ? undefined : Math.max(own, error.retryAfter);
}
