"""A host of another make: speaks the protocol by hand, on plain standard output, its prints in between.

First argument: what is wrong with it ("right": nothing).
"""

import json
import sys
import time

FAULT = sys.argv[1]


def say(**message):
    print(json.dumps({"tgic": 1, **message}, separators=(",", ":")), flush=True)


def hello(message):
    if FAULT == "silent":
        return
    fields = {"protocol": 1, "language": "by hand", "description": {"name": "bare"}}
    fields["implemented"] = ["describe", "create_endpoint", "generate"]
    if FAULT == "protocol 2":
        fields["protocol"] = 2
    if FAULT == "no name":
        fields["description"] = {}
    if FAULT == "unknown method":
        fields["implemented"].append("generate_stream")
    if FAULT == "leaves":
        sys.exit("cannot be started here")
    say(event="hello", id=message["id"], **fields)


def call(message):
    print("a print between two messages")
    say(event="entered", id=message["id"], at=time.monotonic())
    say(event="result", id=message["id"], value=message["args"]["prompt"], at=time.monotonic())


for line in sys.stdin:
    message = json.loads(line)
    if message["op"] == "bye":
        break
    if message["op"] in ("hello", "call"):
        {"hello": hello, "call": call}[message["op"]](message)
