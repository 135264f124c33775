# ruff: noqa: D103, T201 -- a small host by hand
"""A host in no language of ours that breaks the protocol in its answers; the word given says how.

tgi-conformance run --backend-command "python docs/examples/bad_input/host.py nan" --case 'RESP-02/*-astral'
"""

import json
import sys

#: What it answers a generation call with; %d is the call's number.
ANSWERS = {
    "unknown-event": '{"tgic":1,"event":"shrug","id":%d}',
    "wrong-type": '{"tgic":1,"event":"result","id":%d,"value":"x","at":"now"}',
    "unknown-key": '{"tgic":1,"event":"result","id":%d,"value":"x","at":1.5,"mood":"good"}',
    "nan": '{"tgic":1,"event":"result","id":%d,"value":NaN,"at":1.5}',
    "no-json": '{"tgic":1,"event":"result","id":%d',
    "long-line": '{"tgic":1,"event":"result","id":%d,"value":"' + "x" * 1_100_000 + '","at":1.5}',
}


def say(**message):
    tight = None if sys.argv[1] == "blank" else (",", ":")
    print(json.dumps({"tgic": 1, **message}, separators=tight), flush=True)


def main(fault):
    if fault == "no-hello":
        sys.stdin.read()
        return
    for line in sys.stdin:
        message = json.loads(line)
        if message["op"] == "hello":
            described = {"name": "breaks-the-protocol", "capabilities": ["native"]}
            methods = ["describe", "create_endpoint", "generate", "classify"]
            say(
                event="hello", id=message["id"], protocol=1, language="by hand", description=described,
                implemented=methods,
            )  # fmt: skip
        elif message["op"] == "call" and message["method"] == "generate":
            say(event="entered", id=message["id"], at=0.0)
            print(ANSWERS[fault] % message["id"], flush=True)
        elif message["op"] == "call":
            say(event="entered", id=message["id"], at=0.0)
            say(event="result", id=message["id"], value="e1", at=0.0)
        elif message["op"] == "census":
            say(event="census", id=message["id"], at=0.0)
        elif message["op"] == "bye":
            return


main(sys.argv[1])
