# ruff: noqa: ARG002, PTH208 -- the shape of an adapter, and faults on purpose
"""An adapter that tells what surrounds it."""

import os
import sys


class Surroundings:
    def describe(self):
        return {"name": "surroundings"}

    def create_endpoint(self, **settings):
        return "e1"

    def get_stats(self, endpoint_id=None):
        return {
            "environ": dict(os.environ),
            "home": os.listdir(os.environ["HOME"]),
            "pid": os.getpid(),
            "session": os.getsid(0),
            "input": sys.stdin.read(),
            "path": sys.path,
        }
