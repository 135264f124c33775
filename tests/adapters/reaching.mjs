// Reaches beyond this machine in the way that the prompt names, and says what came of it.
// Nobody is at these addresses (RFC 5737), and nobody has these names (RFC 2606).

import { serve } from "../../backends/host/node/host.mjs";

import dgram from "node:dgram";
import dns, { lookup } from "node:dns";
import { resolve4 } from "node:dns/promises";
import http from "node:http";
import net from "node:net";
import { hostname } from "node:os";
import tls from "node:tls";
import { promisify } from "node:util";

const NAME = "telemetry.example.com";
const ADDRESS = "203.0.113.7";

const ended = (socket) =>
  new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("connect", () => resolve("connected"));
  }).finally(() => socket.destroy());

const sent = (...to) =>
  new Promise((resolve, reject) => {
    const socket = dgram.createSocket("udp4");
    socket.send("up:1|c", ...to, (error) => {
      socket.close();
      if (error) reject(error);
      else resolve("sent");
    });
  });

const ways = {
  look_up: () => new Promise((resolve, reject) => lookup(NAME, (error, address) => (error ? reject(error) : resolve(address)))),
  look_up_by_promise: () => dns.promises.lookup(NAME),
  look_up_promisified: () => promisify(dns.lookup)(NAME),
  resolve: () => resolve4(NAME),
  resolver: () => new dns.promises.Resolver().resolve4(NAME),
  look_up_name: () => dns.promises.reverse(ADDRESS),
  connect: () => ended(net.connect(443, ADDRESS)),
  connect_by_name: () => ended(net.connect({ host: NAME, port: 443 })),
  tls: () => ended(tls.connect({ host: NAME, port: 443 })),
  request: () => new Promise((resolve, reject) => http.get(`http://${NAME}/`, resolve).on("error", reject)),
  fetch: () => fetch(`http://${NAME}/`).catch((error) => Promise.reject(error.cause)),
  datagram: () => sent(8125, ADDRESS),
  datagram_by_name: () => sent(8125, NAME),
  async stay() {
    const server = net.createServer((socket) => socket.end()).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address();
    const found = await promisify(dns.lookup)("localhost", { family: 4 });
    if (found.address !== "127.0.0.1") throw new Error(`promisify(dns.lookup) gave ${JSON.stringify(found)}`);
    await dns.promises.lookup(ADDRESS); // an address: nobody is asked
    await dns.promises.lookup(hostname()).catch(() => {});
    for (const to of [[port], [port, "localhost"], [port, "127.0.0.1"], [{ port, host: "LocalHost" }]]) await ended(net.connect(...to));
    await sent(port);
    server.close();
    return "stayed";
  },
};

serve({
  describe: () => ({ name: "reaching-node", capabilities: ["native"] }),
  create_endpoint: () => "e",
  async generate({ prompt }) {
    const began = performance.now();
    const said = await ways[prompt]().catch((error) => error.code);
    return JSON.stringify([said, (performance.now() - began) / 1000]);
  },
  classify: () => null,
});
