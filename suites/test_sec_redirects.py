"""SEC: a redirect takes no key to another origin, and makes no GET of a POST, however the call is made."""

from typing import Final

import pytest

from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply, always, status
from tgi_conformance.suites.areas.answers import serve_each
from tgi_conformance.suites.areas.redirects import AWAY, ELSEWHERE, REDIRECTS, Away, answers_all, carried
from tgi_conformance.suites.areas.ways import FORM, SHAPE
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error
from tgi_conformance.suites.harness.oracles import sent_for
from tgi_conformance.suites.shapes.calls import Shape


@clause("SEC-04", ways="chat")
@pytest.mark.parametrize("code", REDIRECTS)
@pytest.mark.parametrize("target", ["route", "elsewhere", "other-host"])
def test_no_credentials_go_to_another_origin(case: Case, code: int, target: str) -> None:
    """Whoever can make a server redirect would be handed the keys of its clients."""
    shape = case.shape()
    other = case.serve(*answers_all(shape))
    space = case.serve(Away(code=code, target=target).reply(case, other.base_url, shape.plain_paths[0]))

    case.call(endpoint=case.endpoint(url=space.base_url), shape=shape)

    _expect_nothing_carried(case, other.journal())


@clause("SEC-04", case="ways")
@FORM
@SHAPE
def test_no_way_of_calling_takes_credentials_to_another_origin(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """Streams are often opened by other code than plain calls, with redirects followed by the library."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    other = case.serve(*answers_all(shape, streaming=stream))
    route = (shape.stream_paths if stream else shape.plain_paths)[0]
    prompts = serve_each(case, {away.slug: away.reply(case, other.base_url, route) for away in AWAY})
    endpoint = case.endpoint()

    for prompt in prompts.values():
        case.call(prompt, endpoint=endpoint, shape=shape, stream=stream)

    _expect_nothing_carried(case, other.journal())


def _expect_nothing_carried(case: Case, journal: Journal) -> None:
    found, count = carried(case, journal), len(journal.exchanges)
    expect(
        not found,
        expected="no Authorization, cookie or key at the other origin",
        observed=f"{count} request{'' if count == 1 else 's'} with {', '.join(dict.fromkeys(found))}",
        journal=journal,
    )


@clause("SEC-05", case="method", ways="chat")
@pytest.mark.parametrize("code", REDIRECTS)
@pytest.mark.parametrize("page", ["html", "answer"])
def test_a_redirect_never_makes_a_get_whose_answer_counts(case: Case, code: int, page: str) -> None:
    """The prompt stays behind: what the GET finds answers nobody's question."""
    shape = case.shape()
    space = case.serve(status(code, ("location", ELSEWHERE)), *_places(shape, ELSEWHERE, page))
    prompt = case.prompt()

    outcome = case.call(prompt, endpoint=case.endpoint(), shape=shape)

    _expect_same_post(outcome, space.journal(), prompt, ELSEWHERE)


@clause("SEC-05", case="ways")
@FORM
@SHAPE
def test_no_way_of_calling_makes_a_get_whose_answer_counts(case: Case, shape: Shape, *, stream: bool) -> None:
    """A stream that is opened with redirects followed begins at whatever the GET finds."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    pages = ("html", "answer")
    sent = {case.prompt(f"{code} {page}"): (code, page) for code in (301, 302, 303, 307) for page in pages}
    places = {prompt: f"{ELSEWHERE}/{code}/{page}" for prompt, (code, page) in sent.items()}
    replies = [
        reply
        for prompt, (code, page) in sent.items()
        for reply in (
            status(code, ("location", places[prompt])).where(contains=prompt).times(1, None),
            *_places(shape, places[prompt], page, streaming=stream),
        )
    ]
    space = case.serve(*replies)
    endpoint = case.endpoint()

    for prompt, place in places.items():
        outcome = case.call(prompt, endpoint=endpoint, shape=shape, stream=stream)
        _expect_same_post(outcome, space.journal(), prompt, place)


def _places(shape: Shape, path: str, page: str, *, streaming: bool = False) -> tuple[Reply, Reply]:
    """What a GET finds at a path, and what a POST gets there."""
    html = status(200, html="<html>Welcome</html>")
    found = html if page == "html" else shape.reply("from the GET", streaming=streaming)
    posted = shape.reply("from the POST", streaming=streaming)
    return (
        found.where(method="GET", path=path).times(0, None),
        posted.where(method="POST", path=path).times(0, None),
    )


def _expect_same_post(outcome: Outcome, journal: Journal, prompt: str, path: str) -> None:
    if outcome.raised:
        return
    followed = [e for e in journal if e.path == path]
    kept = len(followed) == 1 and followed[0].method == "POST"
    sent = [exchange.body for exchange in sent_for(journal, prompt)]
    same = kept and followed[0].body in sent
    expect(
        outcome.returned and outcome.says("from the POST") and same,
        expected="an error, or the answer to the same POST at the new place",
        observed=f"{describe(outcome)} after {', '.join(e.method for e in followed) or 'nothing'}",
        journal=journal,
    )


#: More redirects than any client has a reason to follow (RFC 9110 section 15.4 leaves the number open).
MANY: Final = 50


@clause("SEC-05", case="loop", ways="chat")
@pytest.mark.parametrize("stream", [False, True], ids=["case=plain", "stream"])
@pytest.mark.parametrize("code", [302, 307, 308])
def test_a_redirect_to_itself_ends_in_an_error(case: Case, code: int, *, stream: bool) -> None:
    """Followed for ever it hangs the caller and floods the server."""
    case.needs(*(("stream",) if stream else ()))
    shape = case.shape()
    space = case.serve(
        always(status(code, ("location", ELSEWHERE))),
        *(
            always(status(code, ("location", ELSEWHERE)), at_least=0).where(path=ELSEWHERE, method=method)
            for method in ("GET", "POST")
        ),
    )

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream, attempts=MANY)

    expect_error(outcome, because="the redirect leads to itself")
    expect(
        len(space.journal().exchanges) <= MANY,
        expected=f"at most {MANY} requests",
        observed=f"{len(space.journal().exchanges)} requests",
    )
