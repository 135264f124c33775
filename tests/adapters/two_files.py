# ruff: noqa: ARG002, B904 -- an adapter with mistakes of its own, on purpose
"""An adapter beside its client: mistakes of either, and what neither can help."""

import asyncio
import json

import two_files_client as client
from two_files_client import Client, ClientError

from tgi_conformance.adapter import ErrorInfo


class WrappedError(Exception):
    pass


class TwoFiles:
    def describe(self):
        return {"name": "two-files", "capabilities": ["native", "stream"]}

    def create_endpoint(self, **settings):
        return "e1"

    def generate(self, how, *, endpoint_id=None, stream=False):
        return getattr(self, f"do_{how}")()

    async def chat(self, messages, *, endpoint_id=None):
        waiting = asyncio.get_running_loop().create_future()
        waiting.set_exception(ConnectionError("from the client's transport"))
        return await waiting

    def completions(self, prompt):
        return Client().answer()

    def classify(self, error):
        if isinstance(error, client.Unclassified):
            return {}["kind"]
        return ErrorInfo(kind="unmapped")

    def do_missing_key(self):
        return Client().answer()["choices"]

    def do_bad_number(self):
        return int(Client().answer()["text"])

    def do_wrong_argument(self):
        return Client().answer(nonsense=1)

    def do_stream(self):
        return (self.piece(said) for said in ("one",))

    def piece(self, said):
        return said.text

    def do_own_raise(self):
        raise ValueError("no such parameter")

    def do_backend(self):
        return Client().fail()

    def do_backend_slip(self):
        return Client().slip()

    def do_library(self):
        return json.loads(Client().answer()["text"])

    def do_wrap(self):
        try:
            return Client().fail()
        except ClientError as error:
            raise WrappedError("wrapped") from error

    def do_wrap_in_context(self):
        try:
            return Client().fail()
        except ClientError:
            raise WrappedError("wrapped")

    def do_wrap_and_hide(self):
        try:
            return Client().fail()
        except ClientError:
            raise WrappedError("wrapped") from None

    def do_wrap_own_mistake(self):
        try:
            return Client().answer()["choices"]
        except KeyError as error:
            raise WrappedError("wrapped") from error

    def do_mistake_while_handling(self):
        try:
            return Client().fail()
        except ClientError as error:
            return error.nonsense

    def do_backend_after_a_look(self):
        try:
            return Client().answer()["choices"]
        except KeyError:
            return Client().fail()

    def do_backends_type(self):
        raise ClientError("by the adapter, for the client")

    def do_unclassified(self):
        raise client.Unclassified

    def do_deep(self):
        return self.do_deeper(30)

    def do_deeper(self, left):
        return self.do_deeper(left - 1) if left else Client().answer()["choices"]
