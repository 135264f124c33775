"""Which clauses are tried with a server of another generation, and why the others are not. Data, mostly.

In question are the clauses that bind ``core``, ``stream`` or ``tools``, and all of the STREAM area. A pair is
a clause and a persona; it is tried where the persona changes what the clause is about (its aspect).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tgi_conformance.contracts.catalogue.clauses import Clause, load_catalogue
from tgi_conformance.contracts.script import Persona

#: answer: a plain chat or completions answer; stream: the events of any stream; native: those of the native
#: route; done: the mark ``[DONE]``; error: an answer that is an error; event: an error inside a stream;
#: finish: how a generation says that it ended; tools: calls in an answer; tool-stream: calls in a stream.
Aspect = Literal["answer", "stream", "native", "done", "error", "event", "finish", "tools", "tool-stream"]

#: What each persona does differently from TGI 3.3 (contracts/tgi/personas.py has how).
CHANGES: Final[Mapping[Persona, frozenset[Aspect]]] = {
    "tgi-2": frozenset({"tools", "tool-stream"}),
    "tgi-1.4": frozenset({"answer", "stream", "native", "event", "finish", "tools", "tool-stream"}),
    "openai-proxy": frozenset({"answer", "stream", "done", "error", "event", "finish", "tools"}),
    "hosted-router": frozenset({"error"}),
}
PERSONAS_TRIED: Final[tuple[Persona, ...]] = tuple(CHANGES)

#: What of a persona each clause of the matrix is about.
ASPECTS: Final[Mapping[str, Aspect]] = {
    "RESP-02": "answer",
    "RESP-05": "answer",
    "RESP-06": "finish",
    "RESP-07": "finish",
    "RESP-09": "event",
    "STREAM-01": "stream",
    "STREAM-02": "stream",
    "STREAM-03": "stream",
    "STREAM-04": "stream",
    "STREAM-05": "stream",
    "STREAM-06": "stream",
    "STREAM-07": "stream",
    "STREAM-08": "stream",
    "STREAM-09": "done",
    "STREAM-10": "native",
    "STREAM-11": "native",
    "STREAM-12": "stream",
    "STREAM-13": "done",
    "STREAM-14": "finish",
    "STREAM-15": "native",
    "STREAM-16": "event",
    "STREAM-17": "stream",
    "STREAM-18": "stream",
    "STREAM-19": "stream",
    "STREAM-20": "stream",
    "STREAM-21": "native",
    "STREAM-22": "stream",
    "STREAM-23": "answer",
    "STREAM-24": "error",
    "ERR-01": "error",
    "ERR-02": "error",
    "ERR-03": "error",
    "ERR-04": "error",
    "ERR-05": "error",
    "ERR-06": "error",
    "ERR-09": "error",
    "TOOL-04": "tools",
    "TOOL-05": "tool-stream",
    "TOOL-06": "tools",
    "TOOL-07": "tool-stream",
    "TOOL-10": "tool-stream",
}

_SENT: Final = "judged by what the client sends, before any server has answered"
_BELOW: Final = "judged on connections, bytes and time, below what a generation changes"
#: Clauses and areas that are not in the matrix; a clause's own line comes before its area's.
OUTSIDE: Final[Mapping[str, str]] = {
    "INIT": _SENT,
    "REQ": _SENT,
    "GEN": _SENT,
    "MUX": _SENT,
    "TOOL": _SENT,
    "SEC": "looked for in every case of the run, those of the matrix among them",
    "RES": _BELOW,
    "DECL": "the declaration is held against one server",
    "REAL": "REAL-02 is the matrix itself, REAL-04 has the router's forms, the others are the suite's duties",
    "GEN-09": "stop_sequence is TGI's own word, in every generation; a proxy does not tell",
    "RESP-08": "what is no answer is none in any generation's words",
    "RESP-10": _BELOW,
    "RESP-11": _BELOW,
    "RESP-14": _BELOW,
    "ERR-11": "no persona's answers have the field, and null says the same in each",
    "RESP-15": "the numbers are the case's own, and no generation has other names for them",
    "RETRY-14": _BELOW,
    "ERR-07": _BELOW,
    "ERR-08": _BELOW,
    "STREAM-25": _BELOW,
    "STREAM-26": "streams of several prompts are known of TGI 3 alone",
    "STREAM-27": "sixteen streams at once say nothing of their words; the case runs alone, so it is run once",
    "STREAM-28": "recorded, not scored: once is enough",
    "STREAM-29": _BELOW,
    "STREAM-30": _BELOW,
    "STREAM-31": _BELOW,
    "STREAM-32": "what a client reports of an event does not depend on whose event it is",
    "TOOL-13": "a generation's tool answer is one call and no text; several come from other servers",
    "TOOL-14": "the case gives each id itself; each generation's own form of a call is TOOL-10's",
    "TOOL-08": "arguments that are no JSON are a string; before TGI 3 they are an object",
}
#: Pairs that are left out although the persona changes the clause's aspect.
EXCEPT: Final[Mapping[tuple[str, Persona], str]] = {
    ("ERR-02", "hosted-router"): "its 401 is TGI's own, with an empty body",
    ("ERR-04", "hosted-router"): "its errors are JSON",
    ("ERR-09", "hosted-router"): "a failed generation is told as TGI 3.3 tells it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A clause and a persona; ``left_out`` says why it is not tried, and is empty where it is."""

    clause: str
    persona: Persona
    left_out: str = ""

    @property
    def case(self) -> str:
        """The id of its case in profile default."""
        return f"{self.clause}/persona-{self.persona}"


def in_question(clause: Clause) -> bool:
    """Whether the matrix must say something of a clause."""
    return clause.area == "STREAM" or bool({"core", "stream", "tools"} & set(clause.capabilities))


def pairs() -> Iterator[Pair]:
    """Every pair in question, tried or not, in the order of the catalogue."""
    for clause in load_catalogue():
        if in_question(clause):
            for persona in PERSONAS_TRIED:
                yield Pair(clause=clause.id, persona=persona, left_out=_why_not(clause, persona))


def _why_not(clause: Clause, persona: Persona) -> str:
    aspect = ASPECTS.get(clause.id)
    if aspect is None:
        return OUTSIDE.get(clause.id) or OUTSIDE[clause.area]
    if aspect not in CHANGES[persona]:
        return _UNCHANGED.get((aspect, persona)) or f"{persona} does here as TGI 3.3 does"
    return EXCEPT.get((clause.id, persona), "")


#: Where "as TGI 3.3" would not be true: the persona has no such thing.
_UNCHANGED: Final[Mapping[tuple[Aspect, Persona], str]] = {
    ("done", "tgi-1.4"): "TGI 1.4 sends no [DONE]",
    ("native", "openai-proxy"): "the proxy has no native route",
    (
        "native",
        "hosted-router",
    ): "the native form stands under the model's own path, where no clause sends a client",
    ("tool-stream", "openai-proxy"): "the proxy streams calls as lists, as TGI 3.3 does",
}
