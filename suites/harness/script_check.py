"""A space's journal held against its script: each reply saw its requests, and the server made no mistake.

Which reply is meant is said in words, not by its number: ``no request for the 429 reply``.
"""

from tgi_conformance.contracts.journal import Journal, ReplyUse, reply_label
from tgi_conformance.contracts.script import Script
from tgi_conformance.contracts.script.telling import replies_in_words
from tgi_conformance.suites.harness.expect import expect, expect_in_time
from tgi_conformance.suites.harness.rulings import KitFault


def no_fault(journal: Journal) -> None:
    """Raise a kit fault where a journal holds a mistake of the server itself."""
    if journal.faults:
        raise KitFault(f"the fake server made a mistake: {'; '.join(journal.faults)}")


def expect_met(journal: Journal, script: Script, *, in_time: bool) -> None:
    """Fail unless every scripted reply saw the requests that it expected.

    ``in_time``: what is missing may only have come too late.
    """
    unmet = journal.unmet
    check = expect_in_time if in_time else expect
    check(
        not unmet,
        expected="; ".join(wanted(use, script) for use in unmet),
        observed="; ".join(seen(use, script) for use in unmet),
        journal=journal,
    )


def wanted(use: ReplyUse, script: Script) -> str:
    """How many requests a reply expected: ``1 or more requests for the 429 reply``."""
    least, most = use.at_least, use.at_most
    if most is None:
        count = f"{least} or more requests"
    elif most != least:
        count = f"{least} to {most} requests"
    else:
        count = _counted(least)
    return f"{count} for {_which(use, script)}"


def seen(use: ReplyUse, script: Script) -> str:
    """How many requests it saw: ``no request for the 429 reply``."""
    return f"{_counted(use.requests)} for {_which(use, script)}"


def _which(use: ReplyUse, script: Script) -> str:
    # Replies that were added while the case ran are known by their number alone.
    return replies_in_words(script.replies).get(use.reply, reply_label(use.reply))


def _counted(count: int) -> str:
    if count == 0:
        return "no request"
    return "1 request" if count == 1 else f"{count} requests"
