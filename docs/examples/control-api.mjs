// Drives the fake TGI server from JavaScript:  node control-api.mjs CONTROL_URL TOKEN
// Both stand in the line of JSON that `tgi-conformance serve` prints.

const [control, token] = process.argv.slice(2);

async function call(method, path, body) {
  const answer = await fetch(control + path, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const value = await answer.json();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${value.error} ${value.pointer ?? ""}`);
  return value;
}

const script = {
  replies: [
    { name: "busy", response: { status: 429, headers: [["retry-after", "0"]] } },
    { name: "held", tgi: { text: "Hello." }, delivery: { holds: [{ gate: "door", before: "head" }] } },
  ],
};
const space = await call("POST", "/spaces", { script, keys: { A: "hf_example" } });

const generate = () =>
  fetch(`${space.urls.a}/generate`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer hf_example" },
    body: JSON.stringify({ inputs: "Hi" }),
  });

const first = await generate();
const second = generate();
await call("POST", `/spaces/${space.id}/wait`, { until: { kind: "open_requests", count: 1 }, timeout: 5 });
await call("POST", `/spaces/${space.id}/release`, { gate: "door" });
const { generated_text: text } = await (await second).json();

const journal = await call("DELETE", `/spaces/${space.id}`);
const served = journal.exchanges.map((exchange) => `${exchange.key}:${exchange.reply}:${exchange.status}`);
console.log(JSON.stringify({ first: first.status, text, served }));
