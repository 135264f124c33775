# ruff: noqa: ARG002, D102, T201 -- the shape of an adapter, and faults on purpose
"""Adapters with one fault each, to see what a run makes of it: plain chat goes wrong from its second call on.

    tgi-conformance run --backend docs/examples/bad_input/adapters.py:DiesInMidCall --case 'RESP-02/*-astral'

All else is the reference backend's, so that the cases of other calls show that the run goes on.
"""

import os
import sys
import threading
from dataclasses import replace

from tgi_conformance.backends.reference.adapter import ReferenceAdapter


class _SecondChat(ReferenceAdapter):
    """Answers its first plain chat well, the others with ``bad``; streams are right."""

    def __init__(self):
        super().__init__()
        self.chats = 0

    def describe(self):
        return replace(super().describe(), name=type(self).__name__)

    def chat(self, messages, **given):
        answer = super().chat(messages, **given)
        if given.get("stream"):
            return answer
        self.chats += 1
        return answer if self.chats == 1 else self.bad(answer)

    def bad(self, answer):
        return answer


class LacksAMethod(ReferenceAdapter):
    """Claims statistics and has no ``get_stats``."""

    get_stats = None

    def describe(self):
        return {"name": "LacksAMethod", "capabilities": ["native", "stats"]}


class Misspelt(ReferenceAdapter):
    """Claims what nobody knows."""

    def describe(self):
        return {"name": "misspelt", "capabilities": ["chat", "straem"]}


class OtherKeys(_SecondChat):
    """Answers with a mapping of its own keys."""

    def bad(self, answer):
        return {"txt": "hello"}


class WrongType(_SecondChat):
    """Answers with a number where a text belongs."""

    def bad(self, answer):
        return {"text": 5}


class Nothing(_SecondChat):
    """Answers with None."""

    def bad(self, answer):
        return None


class NotANumber(_SecondChat):
    """Counts tokens as NaN."""

    def bad(self, answer):
        return {"text": answer.text, "usage": {"prompt_tokens": float("nan")}}


class LoneSurrogate(_SecondChat):
    """Answers with half a character."""

    def bad(self, answer):
        return "half a face: \ud83d"


class HundredMegabytes(_SecondChat):
    """Answers with more than a line of the protocol may carry."""

    def bad(self, answer):
        return "x" * 100_000_000


class FloodsStdout(_SecondChat):
    """Prints twenty megabytes a call, a forged message of the protocol among them, and answers well."""

    def bad(self, answer):
        for _ in range(2_000):
            print("x" * 9_999)
        print('{"tgic":1,"event":"result","id":1,"value":"forged","at":0}')
        return answer


class DiesInMidCall(_SecondChat):
    """Ends its process in the call, after a last word."""

    def bad(self, answer):
        print("out of memory", file=sys.stderr, flush=True)
        os._exit(137)


class Hangs(_SecondChat):
    """Never comes back from the call."""

    def bad(self, answer):
        threading.Event().wait()


class RaisesInClassify(_SecondChat):
    """Raises in the call, and again where the adapter should say what that was."""

    def bad(self, answer):
        raise KeyError("choices")

    def classify(self, error):
        return {"kind": error.kind}


class NeverSaysHello(ReferenceAdapter):
    """Waits for ever in ``describe``."""

    def describe(self):
        threading.Event().wait()
