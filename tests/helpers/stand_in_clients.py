"""Clients with the interface of packages that adapters are written for, and no more of them: source texts."""

_POST = """
import http.client
import json
from urllib.parse import urlsplit


class ApiError(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def post(url, route, key, body):
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    connection.request("POST", place.path.rstrip("/") + route, json.dumps(body), headers)
    response = connection.getresponse()
    if response.status != 200:
        raise ApiError(response.status, response.read().decode())
    return response


def events(response):
    for line in response:
        if line.startswith(b"data:") and b"[DONE]" not in line:
            yield json.loads(line[5:])
"""
NATIVE_CLIENT = f"""{_POST}

class Client:
    def __init__(self, url, token):
        self.url, self.token = url, token

    def generate(self, prompt, *, max_new_tokens=20):
        body = {{"inputs": prompt, "parameters": {{"max_new_tokens": max_new_tokens}}}}
        return json.load(post(self.url, "/generate", self.token, body))["generated_text"]

    def generate_stream(self, prompt, *, max_new_tokens=20):
        body = {{"inputs": prompt, "parameters": {{"max_new_tokens": max_new_tokens}}}}
        for event in events(post(self.url, "/generate_stream", self.token, body)):
            yield event["token"]["text"]
"""
OPENAI_CLIENT = f"""{_POST}
from types import SimpleNamespace


class APIError(Exception): ...
class APIConnectionError(APIError): ...
class APITimeoutError(APIConnectionError): ...
class APIStatusError(APIError):
    def __init__(self, text, status_code):
        super().__init__(f"Error code: {{status_code}}")
        self.status_code = status_code
        self.response = SimpleNamespace(text=text)


def objects(value):
    return json.loads(json.dumps(value), object_hook=lambda item: SimpleNamespace(**item))


class Stream:
    def __init__(self, response):
        self.response = response
    def __iter__(self):
        return map(objects, events(self.response))
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.response.close()


class OpenAI:
    def __init__(self, *, base_url, api_key, max_retries=0, timeout=10):
        self.base_url, self.api_key = base_url, api_key
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self.create))

    def create(self, **body):
        try:
            response = post(self.base_url, "/chat/completions", self.api_key, body)
        except ApiError as error:
            raise APIStatusError(str(error), error.status) from error
        return Stream(response) if body.get("stream") else objects(json.load(response))

    def close(self): ...
"""
OPENAI_NODE = """
class APIError extends Error { constructor(status, text) { super(text); this.status = status; } }
export default class OpenAI {
  static APIConnectionError = class extends Error {};
  static APIConnectionTimeoutError = class extends Error {};
  constructor({ baseURL, apiKey }) {
    const create = async (body) => {
      const headers = { "Content-Type": "application/json", Authorization: `Bearer ${apiKey}` };
      const asked = { method: "POST", headers, body: JSON.stringify(body) };
      const answer = await fetch(`${baseURL}/chat/completions`, asked);
      if (answer.status !== 200) throw new APIError(answer.status, await answer.text());
      return body.stream ? chunks(answer.body) : answer.json();
    };
    this.chat = { completions: { create } };
  }
}
async function* chunks(body) {
  let text = "";
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    text += part;
    const lines = text.split("\\n");
    text = lines.pop();
    const told = lines.filter((line) => line.startsWith("data:") && !line.includes("[DONE]"));
    for (const line of told) yield JSON.parse(line.slice(5));
  }
}
"""
