// Where this process goes: look-ups, connects and datagrams are booked, and beyond this machine refused at once.
// It replaces functions of Node's own modules. Import it before the client: what takes `dns.lookup` out of its module
// earlier keeps the old one. Worker threads, child processes and native addons are not seen.

import dgram from "node:dgram";
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";

const WHY = "the conformance kit keeps a backend on loopback; --allow-network lets it out";
const LOOPBACK = new net.BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("0.0.0.0");
LOOPBACK.addAddress("::", "ipv6");
LOOPBACK.addAddress("::1", "ipv6");
LOOPBACK.addAddress("::ffff:0.0.0.0", "ipv6");
LOOPBACK.addSubnet("::ffff:127.0.0.0", 104, "ipv6");

// Until the driver's hello says more; what a client does while it is imported comes before that.
let network = { open: false, names: ["localhost"], suffixes: [] };
const connects = new Set();
const lookups = new Set();
const outside = new Map();

/** Takes over what the driver's hello says; returns which fence stands now. */
export function stand(told = { open: true, names: [], suffixes: [] }) {
  network = told;
  return network.open ? "none" : "hooks";
}

/** What happened since the last time, as a census tells it. */
export function went() {
  const seen = { connects: [...connects], lookups: [...lookups], outside: [...outside.values()] };
  for (const list of [connects, lookups, outside]) list.clear();
  return seen;
}

export function isHere(host) {
  const name = bare(host);
  if (net.isIP(name)) return LOOPBACK.check(name, net.isIPv6(name) ? "ipv6" : "ipv4");
  const lower = name.toLowerCase().replace(/\.+$/, "");
  return lower === "" || network.names.some((own) => own.toLowerCase() === lower) || network.suffixes.some((end) => lower.endsWith(end));
}

function bare(host) {
  return host.replace(/^\[+|\]+$/g, "").split("%")[0];
}

function count(what, where, { times = 1, seconds = 0 } = {}) {
  const key = `${what} ${where}`;
  const counted = outside.get(key) ?? { what, where, times: 0, seconds: 0, refused: !network.open };
  outside.set(key, { ...counted, times: counted.times + times, seconds: counted.seconds + seconds });
}

// Books a look-up; returns the error to refuse it with, if it is to be refused. Nobody is asked for an address.
function lookUp(host) {
  lookups.add(host);
  return net.isIP(bare(host)) || isHere(host) ? undefined : question(host);
}

function lookUpNameOf(address) {
  if (!net.isIP(bare(address))) return lookUp(address);
  if (isHere(address)) return undefined;
  lookups.add(`name of ${address}`);
  return question(`name of ${address}`);
}

function question(name) {
  count("lookup", name);
  if (network.open) return undefined;
  return Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}: ${WHY}`), {
    errno: -3008, code: "ENOTFOUND", syscall: "getaddrinfo", hostname: name,
  });
}

// Books a connect or a datagram to beyond this machine; returns the error to refuse it with.
function leave(host, port) {
  if (net.isIP(bare(host)) === 0) return network.open ? undefined : lookUp(host); // else Node looks it up, which is booked
  const where = `${bare(host)}:${port}`;
  connects.add(where);
  count("connect", where);
  if (network.open) return undefined;
  return Object.assign(new Error(`connect ENETUNREACH ${where}: ${WHY}`), {
    code: "ENETUNREACH", syscall: "connect", address: bare(host), port,
  });
}

// The functions of node:dns, which all take a name or an address first, and answer a callback or by a promise.
function guardQuestions(owner, byPromise) {
  for (const name of Object.getOwnPropertyNames(owner).filter((each) => /^(lookup|resolve|reverse)/.test(each))) {
    const plain = owner[name];
    const book = ["lookupService", "reverse"].includes(name) ? lookUpNameOf : lookUp;
    const guarded = function (host, ...rest) {
      const told = rest.at(-1);
      if (typeof host !== "string" || !(byPromise || typeof told === "function")) return plain.call(this, host, ...rest);
      const error = book(host);
      if (error !== undefined) {
        if (byPromise) return Promise.reject(error);
        process.nextTick(told, error);
        return {};
      }
      if (isHere(host) || net.isIP(bare(host))) return plain.call(this, host, ...rest);
      const began = performance.now();
      const over = () => count("lookup", host, { times: 0, seconds: (performance.now() - began) / 1000 });
      if (byPromise) return plain.call(this, host, ...rest).finally(over);
      const last = (...answer) => {
        over();
        told(...answer);
      };
      return plain.call(this, host, ...rest.slice(0, -1), last);
    };
    // Its own properties too: util.promisify reads in them what a call answers.
    owner[name] = Object.defineProperties(guarded, Object.getOwnPropertyDescriptors(plain));
  }
}

// What net's connect is called with: options, a path, or port and host; from inside Node as one array.
function target(given) {
  const [first, second] = Array.isArray(given[0]) ? given[0] : given;
  if (first !== null && typeof first === "object") return first;
  if (typeof first === "string" && !(Number(first) >= 0)) return { path: first };
  return { port: first, host: typeof second === "string" ? second : undefined };
}

function guardConnects() {
  const plain = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function (...given) {
    const { path, host, port } = target(given);
    if (path) return plain.apply(this, given);
    const error = isHere(host || "localhost") ? undefined : leave(host, port);
    if (error === undefined) {
      this.once("connect", () => connects.add(`${this.remoteAddress}:${this.remotePort}`));
      return plain.apply(this, given);
    }
    this.connecting = true;
    process.nextTick(() => this.destroy(error));
    return this;
  };
}

// Both take a callback last, if any, and the address behind the port; without one they mean this machine.
function guardDatagrams(name) {
  const plain = dgram.Socket.prototype[name];
  dgram.Socket.prototype[name] = function (...given) {
    const at = given.findLastIndex((item, index) => index > 0 && typeof item === "string");
    const error = at < 0 || isHere(given[at]) ? undefined : leave(given[at], given[at - 1]);
    if (error === undefined) return plain.apply(this, given);
    const told = given.at(-1);
    process.nextTick(() => (typeof told === "function" ? told(error) : this.emit("error", error)));
    return undefined;
  };
}

guardQuestions(dns, false);
guardQuestions(dns.Resolver.prototype, false);
guardQuestions(dns.promises, true);
guardQuestions(dns.promises.Resolver.prototype, true);
guardConnects();
guardDatagrams("send");
guardDatagrams("connect");
syncBuiltinESMExports();
