"""How an answer ends that is to end wrongly, and what a fault leaves that lets no answer begin."""

from tgi_conformance.contracts.script import Fault, Reply
from tgi_conformance.fake_server.engine.plans import Ending, Plan, Wait


def silencing(reply: Reply) -> Fault | None:
    """The fault of a reply that nothing is answered for; None where an answer begins."""
    fault = reply.delivery.fault
    return fault if fault is not None and fault.at in {"request", "accept"} else None


def ending_of(fault: Fault, broken: Ending = "fin") -> Ending:
    """How a plan with this fault ends; ``broken`` is for an answer that lacks only its end."""
    return broken if fault.ending == "no-last-chunk" else fault.ending


def plan_nothing(fault: Fault, delay_ms: float = 0.0) -> Plan:
    """Lay out a fault that leaves nothing to answer."""
    steps = (Wait(delay_ms / 1000),) if delay_ms else ()
    return Plan(steps, ending_of(fault), None, faulty=True)
