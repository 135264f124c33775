"""The second client under retry policies of its own: it says what it does, and has no knob to change it."""

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "second_client"))

from second import Endpoint, Second, SecondError

KNOBS = ("max_retries", "initial_retry_delay", "backoff_factor", "max_retry_delay")


class EagerEndpoint(Endpoint):
    """Retries every passing status and every broken connection, after waits that do not grow."""

    statuses = (408, 425, 429, 500, 502, 503, 504)
    keeps_slot = False

    def __init__(self, **settings):
        pinned = {"max_retries": 2, "initial_retry_delay": 0.03, "backoff_factor": 1.0}
        super().__init__(**settings, **pinned)
        self.staying = threading.local()

    def wait_before(self, number, error):
        """Seconds before attempt ``number``; None: the call ends."""
        wait = super().wait_before(number, error)
        self.staying.keeps = self.keeps_slot and wait is not None
        return wait

    def leave(self):
        """Give the slot back, unless the call sleeps with it."""
        if not getattr(self.staying, "keeps", False):
            super().leave()

    def enter(self, *, accepted):
        """Take a slot, unless the call has slept with one."""
        if accepted and self.keeps_slot:
            self.staying.keeps = False
            if self.closed:
                raise SecondError("closed", "the endpoint was closed")
        else:
            super().enter(accepted=accepted)


class KeepingEndpoint(EagerEndpoint):
    """A call in backoff keeps its slot, and waits anything from nothing to twice the delay."""

    keeps_slot, jitter = True, (0.0, 2.0)


class Eager(Second):
    """Declares all of it."""

    endpoint, unsaid = EagerEndpoint, ()

    def describe(self):
        """What the second client says, with this policy in its place."""
        said = super().describe()
        kind = self.endpoint
        policy = {
            "statuses": list(kind.statuses), "faults": list(kind.faults), "max_retries": 2,
            "initial_delay": 0.03, "factor": 1.0, "jitter": list(kind.jitter), "max_retry_after": 30.0,
            "keeps_slot": kind.keeps_slot,
        }  # fmt: skip
        told = {name: value for name, value in policy.items() if name not in self.unsaid}
        settings = [name for name in said["settings"] if name not in KNOBS]
        return {**said, "retry": told, "settings": settings}

    def create_endpoint(self, **settings):
        """Make an endpoint of this policy."""
        name = f"eager-{next(self.numbers)}"
        self.endpoints[name] = self.endpoint(**settings)
        return name


class Keeping(Eager):
    """Sleeps with its slot, and says so."""

    endpoint = KeepingEndpoint


class Silent(Eager):
    """Says of its retries only that there are some."""

    unsaid = ("statuses", "faults", "max_retries", "jitter", "keeps_slot", "max_retry_after")
