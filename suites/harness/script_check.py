"""A space's journal held against its script: each reply saw its requests, and the server made no mistake."""

from tgi_conformance.contracts.journal import Journal
from tgi_conformance.suites.harness.expect import expect, expect_in_time
from tgi_conformance.suites.harness.rulings import KitFault


def no_fault(journal: Journal) -> None:
    """Raise a kit fault where a journal holds a mistake of the server itself."""
    if journal.faults:
        raise KitFault(f"the fake server made a mistake: {'; '.join(journal.faults)}")


def expect_met(journal: Journal, *, in_time: bool) -> None:
    """Fail unless every scripted reply saw the requests that it expected.

    ``in_time``: what is missing may only have come too late.
    """
    unmet = journal.unmet
    check = expect_in_time if in_time else expect
    check(
        not unmet,
        expected="; ".join(_wanted(use.reply, use.at_least, use.at_most) for use in unmet),
        observed="; ".join(f"{use.requests} requests for {use.reply}" for use in unmet),
        journal=journal,
    )


def _wanted(reply: str, least: int, most: int | None) -> str:
    bound = "or more" if most is None else (f"to {most}" if most != least else "")
    return f"{least} {bound} requests for {reply}".replace("  ", " ")
