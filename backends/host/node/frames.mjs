// Whose code an error began in: the frames of its stack, and what the adapter imports. Part of the host.

import { readFileSync, realpathSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { basename, dirname, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const MOST = 20;
// "    at async Adapter.chat (file:///folder/adapter.mjs:42:10)", or the place alone, or "(<anonymous>)" for built-in code
const FRAME = /^\s+at (?:async )?(?:(.+) \()?(?:(\S.*?):(\d+):\d+|<anonymous>)\)?$/;
const IMPORT = /(?:\bfrom|\bimport|\brequire)\s*\(?\s*["']([^"']+)["']/g;
// A text that is the path of a generation route: whoever has it builds the requests.
const ROUTE = /["'`](?:[^\s"'`]*\/(?:generate|completions)|[^\s"'`]*generate_stream)["'`]/;
// What the engine itself throws where a statement fails.
const ENGINE = [TypeError, ReferenceError, RangeError, SyntaxError, URIError];

const ADAPTER = realpathSync(process.argv[1]);
const OWN = ["host.mjs", "fence.mjs", "frames.mjs"].map((name) => realpathSync(fileURLToPath(new URL(name, import.meta.url))));

/** Frames (the innermost first, the host's own left out) and how it began, for a link of the chain. */
export function placeOf(error) {
  const { stack } = error;
  if (typeof stack !== "string") return {};
  const message = String(error.message);
  const lines = stack.slice(Math.max(0, stack.indexOf(message)) + message.length).split("\n");
  const frames = lines.map(frameOf).filter((frame) => frame !== undefined);
  if (frames.length === 0) return {};
  const thrown = error.cause === undefined ? "raised" : "translated";
  return { frames: frames.slice(0, MOST), began: ENGINE.includes(error.constructor) ? "failed" : thrown };
}

function frameOf(line) {
  const found = FRAME.exec(line);
  if (found === null) return undefined;
  const [, name = "", place = "", number = "0"] = found;
  const path = place.startsWith("file:") ? fileURLToPath(place) : place;
  if (OWN.includes(path)) return undefined;
  return { file: fileOf(path), line: Number(number), function: name.split(" [as ")[0].split(" ").at(-1) };
}

/** A path below node_modules, the adapter's folder or the working folder; of Node's own code, below lib/. */
function fileOf(path) {
  if (path === "" || path.startsWith("node:")) return `lib/${path.slice("node:".length) || "<anonymous>"}`;
  const installed = path.lastIndexOf(`${sep}node_modules${sep}`);
  if (installed >= 0) return path.slice(installed + `${sep}node_modules${sep}`.length);
  const roots = [dirname(ADAPTER), process.cwd()].filter((folder) => path.startsWith(folder + sep));
  return roots.length ? relative(roots[0], path) : basename(path);
}

/** What "hello" says of the adapter's code: its file, and the packages and modules that it imports. */
export function codeOfAdapter() {
  const imports = new Set();
  const files = [ADAPTER]; // grows: a module's own modules are the backend's too
  for (const path of files) {
    for (const name of importsOf(path)) {
      if (!name.startsWith(".")) {
        if (path === ADAPTER) imports.add(name.split("/").slice(0, name.startsWith("@") ? 2 : 1).join("/"));
        continue;
      }
      const found = resolved(path, name);
      if (found === undefined || OWN.includes(found) || files.includes(found)) continue;
      imports.add(fileOf(found));
      files.push(found);
    }
  }
  return { files: [fileOf(ADAPTER)], imports: [...imports].sort(), routes: ROUTE.test(sourceOf(ADAPTER)) };
}

function importsOf(path) {
  return [...sourceOf(path).matchAll(IMPORT)].map(([, name]) => name).filter((name) => !isBuiltin(name));
}

function sourceOf(path) {
  return /\.[cm]?[jt]sx?$/.test(path) ? readFileSync(path, "utf8") : "";
}

function resolved(path, name) {
  try {
    return realpathSync(createRequire(path).resolve(name));
  } catch {
    return undefined; // a word in a comment, or a module that is made when the program is built
  }
}
