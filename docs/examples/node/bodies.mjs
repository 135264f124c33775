// From what the caller gave to what TGI reads.

import { readFileSync } from "node:fs";

import { TGIError } from "./errors.mjs";

const SIGNATURES = [
  ["image/png", [0x89, 0x50, 0x4e, 0x47]],
  ["image/jpeg", [0xff, 0xd8, 0xff]],
  ["image/gif", [0x47, 0x49, 0x46, 0x38]],
];

/** The native form. Images of a prompt that is a list of parts become TGI's markdown. */
export function native(prompt, parameters, stream) {
  const inputs = Array.isArray(prompt) ? prompt.map(inPrompt).join("") : prompt;
  return { inputs, parameters: { ...(stream ? { details: true } : {}), ...parameters } };
}

export function chat(messages, { tools, tool_choice, ...parameters }, stream) {
  const usage = stream ? { stream_options: { include_usage: true } } : {};
  const body = { messages: messages.map(message), ...usage, ...parameters };
  return tools?.length ? { ...body, tools: tools.map(tool), tool_choice } : body;
}

function message(given) {
  if (Array.isArray(given.content)) return { ...given, content: given.content.map(part) };
  if (given.tool_calls?.length && given.content === "") {
    // With an empty content TGI reads the message as text, and drops the calls.
    const { content, ...rest } = given;
    return rest;
  }
  return given;
}

function tool(given) {
  if (given.function === undefined || given.function.parameters !== undefined) return given;
  return { ...given, function: { ...given.function, parameters: { type: "object", properties: {} } } };
}

function part(given) {
  if (given.type === "image") return { type: "image_url", image_url: { url: dataURL(given.image) } };
  if (given.type === "image_url") return { ...given, image_url: { ...given.image_url, url: escaped(given.image_url.url) } };
  return given;
}

function inPrompt(given) {
  if (typeof given === "string") return given;
  const sent = part(given);
  return sent.type === "image_url" ? `![](${sent.image_url.url})` : sent.text;
}

// TGI looks for an image's end at the first closing parenthesis.
function escaped(url) {
  return url.startsWith("data:") ? url : url.replaceAll(")", "%29");
}

function dataURL(image) {
  const bytes = typeof image === "string" ? read(image) : Buffer.from(image);
  const [type] = SIGNATURES.find(([, begin]) => begin.every((byte, place) => bytes[place] === byte)) ?? [webp(bytes)];
  return `data:${type};base64,${bytes.toString("base64")}`;
}

function webp(bytes) {
  return bytes.subarray(0, 4).toString("latin1") === "RIFF" && bytes.subarray(8, 12).toString("latin1") === "WEBP" ? "image/webp" : "image/png";
}

function read(path) {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new TGIError("invalid_argument", `an image cannot be read: ${path}`, { cause });
  }
}
