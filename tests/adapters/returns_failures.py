# ruff: noqa: ARG002 -- the shape of an adapter
"""A client that raises nothing: it returns ``{"error": …, "status": …}``, or False where nobody answered."""

import json
import urllib.error
import urllib.request


class Undeclared:
    """Says nothing of it."""

    def __init__(self):
        self.endpoints = {}

    def describe(self):
        return {"name": "returns-failures", "capabilities": ["native"]}

    def create_endpoint(self, *, base_url, api_key, **settings):
        self.endpoints[str(len(self.endpoints))] = (base_url.rstrip("/"), api_key)
        return str(len(self.endpoints) - 1)

    def generate(self, prompt, *, endpoint_id=None, **parameters):
        base_url, key = self.endpoints[endpoint_id]
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        body = json.dumps({"inputs": prompt}).encode()
        request = urllib.request.Request(base_url + "/generate", body, headers)  # noqa: S310 - a canned URL
        try:
            with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
                answer = json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return self.failed(error.read().decode("utf-8", "replace"), error.code)
        except (OSError, ValueError):
            return False
        if not isinstance(answer, dict) or "generated_text" not in answer:
            return self.failed("no answer", 200)
        return answer["generated_text"]

    def failed(self, text, status):
        return {"error": text or f"status {status}", "status": status}


class Declared(Undeclared):
    """Declares both forms."""

    def describe(self):
        failure = {"values": [False], "key": "error", "status_key": "status"}
        return super().describe() | {"failure": failure}


class AsText(Declared):
    """Declares a form and returns the error's text all the same."""

    def failed(self, text, status):
        return f"Error: {status}"
