// One request on the wire, and the head of its answer.

import http from "node:http";
import https from "node:https";

import { TGIError } from "./errors.mjs";

export const CONNECT_TIMEOUT = 10; // seconds

export function agentFor(url) {
  return new (url.protocol === "https:" ? https : http).Agent({ keepAlive: true });
}

/** Sends a POST; resolves to the answer when its head is there. `timeout`: seconds for that. */
export function post(url, body, { headers, agent, signal, timeout }) {
  const secure = url.protocol === "https:";
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).request(url, {
      method: "POST", agent, signal,
      headers: { "content-type": "application/json", "content-length": body.length, ...headers },
    });
    const end = (what) => () => request.destroy(timedOut(what));
    const timers = [
      setTimeout(end("no connection"), Math.min(CONNECT_TIMEOUT, timeout) * 1000),
      setTimeout(end("no answer"), timeout * 1000),
    ];
    request.on("socket", (socket) => {
      const connected = () => clearTimeout(timers[0]);
      if (socket.connecting) socket.once(secure ? "secureConnect" : "connect", connected);
      else connected();
    });
    request.on("response", (response) => {
      timers.forEach(clearTimeout);
      resolve(response);
    });
    request.on("error", reject);
    request.on("close", () => timers.forEach(clearTimeout));
    request.end(body);
  });
}

export function timedOut(what) {
  return new TGIError("timeout", `${what}: the time limit ran out`);
}
