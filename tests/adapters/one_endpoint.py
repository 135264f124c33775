"""A backend of one endpoint: each creation takes the place of the one before."""

import httpx


class OneEndpoint:
    def describe(self):
        return {"name": "one-endpoint", "capabilities": ["core", "chat"]}

    def create_endpoint(self, *, base_url, api_key):
        self.client = httpx.Client(base_url=base_url, headers={"authorization": f"Bearer {api_key}"})
        return "endpoint"

    def chat(self, messages, **_):
        answer = self.client.post("/v1/chat/completions", json={"messages": messages})
        return answer.raise_for_status().json()["choices"][0]["message"]["content"]

    def classify(self, _):
        return {"kind": "server_error"}
