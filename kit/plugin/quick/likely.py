"""Which case of a clause is likeliest to find what goes wrong in clients, and why. Data.

Profile ``quick`` runs one case a clause. Where the cases of a clause differ in what they find, its line here
names the better ones by their slugs, the best first; a pattern as in a shell. The public reports behind a
clause are in the catalogue (``contracts/catalogue/areas``); what is said here is what tells its cases apart.
Two kinds of case come first: one that a client fails whenever it fails another, and one whose mistake is made
by the libraries and the idioms that clients are built with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """The slugs to be preferred, the best first, and why."""

    slugs: tuple[str, ...]
    why: str


def _first(*slugs: str, why: str) -> First:
    return First(slugs=slugs, why=why)


#: Areas whose clauses about whole answers have a counterpart in STREAM: there a plain call comes first, and
#: elsewhere a stream, which shows what is wrong with all calls and what is wrong with streams alone.
STREAMS_JUDGED_APART: Final = frozenset({"RESP", "ERR", "DECL"})

#: How the slug of a case begins that tries all forms of its clause, one after the other: it finds what any of
#: the others finds on that way.
WIDE: Final = ("every-", "each-", "contents-", "ways-")

_NAN: Final = "NaN passes every comparison with a bound"
_BLANKS: Final = "strip() is the habit that changes texts most often"

FIRST: Final[Mapping[str, First]] = {
    "INIT-03": _first("v1*", why="a base URL copied from an OpenAI client ends in /v1, which is added again"),
    "INIT-06": _first("*-nan", "factor-0", "concurrency-0", why=_NAN),
    "INIT-07": _first(
        "bad-error-object", "bad-html", why="a probe that looks at the status alone passes these"
    ),
    "REQ-02": _first("*blanks-at-both-ends*", why=_BLANKS),
    "REQ-03": _first("*white-space*", "*tool-turns*", why=_BLANKS),
    "REQ-05": _first("given-as-none-*", why="who writes null for what is not set writes it for None as well"),
    "REQ-06": _first("*one-string*", why="a list is right by itself, one string must be wrapped"),
    "REQ-18": _first("*named*", why="names with / and : are cut, lowered or replaced"),
    "REQ-11": _first(
        "error-*", "stream-*", why="the id is forgotten where the answer is not read to its end"
    ),
    "REQ-13": _first("after-retries-*", why="what a plain call changes shows after retries too"),
    "RESP-02": _first("*blanks-and-newlines*", why=_BLANKS),
    "RESP-03": _first("in-the-middle", why="cutting by length and replacing the prompt both spoil it"),
    "RESP-04": _first("absent", why='message["content"] raises KeyError; who reads null may not bear this'),
    "RESP-05": _first("*extra-everywhere*", why="strict models refuse each of these fields"),
    "RESP-06": _first("*unknown*", "*-null*", why="an enumeration of the known reasons refuses it"),
    "RESP-08": _first(
        "*choices-empty", "*object-empty", why="a text is looked for and not found, and an empty one given"
    ),
    "RESP-09": _first("*-openai", why="the form that chat and completions report errors in"),
    "RESP-10": _first(
        "no-last-chunk*", why="the body is whole JSON; nothing but the framing says that it is not"
    ),
    "RESP-11": _first(
        "charset*latin-1*", "charset*none*", why="response.text decodes by the label (requests)"
    ),
    "RESP-12": _first("three", why="more than two can be out of order in more than one way"),
    "STREAM-02": _first("*4-bytes", why="the more bytes, the more places to cut"),
    "STREAM-03": _first("*-mixed", why="it has all three line ends"),
    "STREAM-04": _first("*U+2028", why="str.splitlines() ends a line there"),
    "STREAM-05": _first("*no-charset", why="without a charset libraries assume Latin-1, or guess"),
    "STREAM-06": _first("*-none", why='startswith("data: ") is the test in most clients'),
    "STREAM-07": _first(
        "*before-the-data-line", why="readers of lines and readers of blocks both stumble over it"
    ),
    "STREAM-08": _first("three-data-lines-*", why="most clients parse each data line by itself"),
    "STREAM-09": _first("junk-after-*-token", why="who reads on after [DONE] hands this out"),
    "STREAM-12": _first("*-proper", why="HTTP is content, so that the client alone can tell"),
    "STREAM-13": _first("tokens", why="it needs no tools"),
    "STREAM-15": _first("2-generation", why="the tokens before it are lost, or the error taken for one more"),
    "STREAM-16": _first(
        "chat-2", "completions-2", why="the tokens before it are lost, or the error taken for one more"
    ),
    "STREAM-17": _first("*-empty-object", why="nothing in its data says that it is an error"),
    "STREAM-18": _first(
        "*usage-chunk*", "*choices-empty*", why="choices[0] of an empty list: usage is sent so"
    ),
    "STREAM-19": _first("*-blanks", why=_BLANKS),
    "STREAM-20": _first("chat", "native", why="a coding is one more reason to hold back, and seldom offered"),
    "STREAM-22": _first("*-words", why="the data is handed out where it cannot be parsed"),
    "STREAM-23": _first("json-*", why="a reader of events finds none in it, and ends well"),
    "STREAM-24": _first("*502-html", why="the error path expects JSON"),
    "GEN-01": _first("property-*", why="it sets all parameters that are offered, the others one each"),
    "GEN-02": _first("property-*", why="it gives all falsy values, the others one each"),
    "GEN-04": _first("*1.0*", why="TGI alone refuses it: a default of many clients"),
    "GEN-05": _first(
        "chat-temperature-0", "*-temperature-*", "*seed-64-bit", why="bounds taken from other servers"
    ),
    "GEN-06": _first("mapped-*", why="a limit that goes astray is met by every call, one refused by few"),
    "GEN-08": _first("*newlines*", "*escapes*", why=_BLANKS),
    "GEN-09": _first(
        "*stream*", "*middle*", why="the text is cut at the first stop string, in streams above all"
    ),
    "MUX-10": _first("netrc", why="requests puts the file's login in the place of the header it was given"),
    "QUEUE-05": _first(
        "stream-left", "stream-cut", "timed-out", why="the slot is given back where a stream ends well"
    ),
    "QUEUE-11": _first("backoff", why="time.sleep() in a coroutine"),
    "RETRY-03": _first("json-422", "*-400", why="the refusal that a user meets most"),
    "RETRY-06": _first("nan", "negative", why="float() takes it, int() and sleep() do not"),
    "RETRY-14": _first("closed-on-use", why="the pool cannot know before it sends"),
    "RETRY-16": _first("own-id", why="an id made for each attempt"),
    "ERR-01": _first("*answer-under-500*", why="a status that is not looked at leaves a good answer"),
    "ERR-03": _first("*422-validation*", why="the refusal that a user meets most"),
    "ERR-04": _first("*502-html*", why="the page of a proxy, where JSON is expected"),
    "ERR-05": _first("*-list", why="body.get() of a list"),
    "ERR-06": _first("*404*", why="told apart less often than 401 and 429"),
    "ERR-07": _first("*in-the-body*", why="a limit up to the head does not end this wait"),
    "IMG-02": _first("65536", why="line breaks, padding and both alphabets show in it"),
    "IMG-03": _first("*webp*", why="a fixed type is JPEG or PNG"),
    "STAT-04": _first("on-every-chunk*", why="usage is cumulative, and summed"),
    "SEC-04": _first("ways-*", why="every status leads to another host in it, 307 and 308 to each place"),
    "SEC-05": _first("ways-*", why="it has all that libraries make a GET of, and answers that read well"),
    "RES-01": _first("drop", "close", why="a break leaves the iterator to the collector"),
    "RES-04": _first("502-page", why="a body that nobody reads holds its connection"),
    "RES-05": _first("held-and-queued", why="it has calls in every state that close() must end"),
    "TOOL-01": _first("no-description", why="models add null for what is not there"),
    "TOOL-03": _first("named*", why="TGI and OpenAI write it in two ways"),
    "TOOL-04": _first("nested-object*", why="TGI 2 sent objects; json.loads() of one raises"),
    "TOOL-05": _first("*interleaved*", why="fragments are joined to the call seen last"),
    "TOOL-06": _first("stream-stop", "stop", why="TGI says stop; clients wait for tool_calls"),
    "TOOL-07": _first("stream-length", why="the arguments end in their middle, and the stream well"),
    "TOOL-08": _first("unfinished*", why="json.loads() raises, and {} is put in its place"),
    "TOOL-10": _first("same-id-stream", why="a table by id keeps one of them"),
    "TOOL-12": _first("*openai-json-schema*", why="the form that callers have at hand is OpenAI's"),
    "REAL-02": _first("openai-proxy", why="the generation that most differs from TGI 3.3 and still has chat"),
    "DECL-01": _first("defaults-*", why="defaults of a library go out unasked"),
}
