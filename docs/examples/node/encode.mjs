// JSON for TGI: strict, in UTF-8, integers beyond 2^53 whole, and no lone surrogates (UTF-8 has none).

import { TGIError } from "./errors.mjs";

export function encodeJSON(value) {
  return Buffer.from(encoded(value, ""), "utf8");
}

function encoded(value, path) {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number" && !Number.isFinite(value)) throw refused(path, `${value} is no JSON number`);
  if (typeof value === "string" && !value.isWellFormed()) throw refused(path, "a lone surrogate");
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item, index) => encoded(item, `${path}/${index}`)).join(",")}]`;
  const members = Object.entries(value).filter(([, item]) => item !== undefined);
  return `{${members.map(([key, item]) => `${encoded(key, path)}:${encoded(item, `${path}/${key}`)}`).join(",")}}`;
}

function refused(path, what) {
  return new TGIError("invalid_argument", `cannot be sent: ${what} at ${path || "/"}`);
}
