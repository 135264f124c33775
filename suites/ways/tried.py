"""Which ways a case tries: read off its parameters and its ``clause`` marker. Pure.

The parameters ``shape`` and ``stream`` say it for most cases. A case that makes its calls otherwise says so
with ``@clause(..., ways=...)``, a text or a tuple of texts: ``"chat stream"`` is a way, ``"chat"`` its plain
call, and ``"stream"`` alone is for a case whose route is its parameter. What nothing is said of is not tried:
a mark that was forgotten shows as a gap, never as covered.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, get_args

from tgi_conformance.suites.ways.binding import Binding
from tgi_conformance.suites.ways.words import FORMS, ROUTES, Form, Route, Way

_ROUTE_PARAMETER: Final = "shape"
#: Parameters that say whether the call is a stream; ``stream`` is the one to use.
_FORM_PARAMETERS: Final = ("stream", "stream_call", "streaming")
_Parts = tuple[Route | None, Form | None]


class WaysProblem(ValueError):
    """A marker's ``ways`` that cannot be read; says what is wrong."""


def tried(binding: Binding, parameters: Mapping[str, object], given: Sequence[str] = ()) -> frozenset[Way]:
    """The ways of a case of a clause that binds so: by its parameters, and what its marker says.

    Where no form is said, it is that of the clause, if it binds one form alone, else plain, as for a call.
    Where no route is said, it is that of the clause, if it binds one route alone and the form is known.
    """
    form = _form_of(parameters)
    known = form is not None or len(binding.forms) == 1
    only = binding.routes[0] if known and len(binding.routes) == 1 else None
    route = _route_of(parameters) or only
    usual: Form = binding.forms[0] if len(binding.forms) == 1 else "plain"
    parts: Iterable[_Parts] = map(_read, given) if given else [(None, None)]
    return frozenset(_ways(parts, route, form, usual))


def _ways(parts: Iterable[_Parts], route: Route | None, form: Form | None, usual: Form) -> Iterator[Way]:
    for said_route, said_form in parts:
        there = said_route or route
        if there is not None:
            yield Way(route=there, form=said_form or form or usual)


def check(given: Sequence[str]) -> None:
    """Raise :class:`WaysProblem` unless each text is a route, a form, or a route and a form."""
    for text in given:
        _read(text)


def _read(text: str) -> _Parts:
    words = text.split()
    routes = [route for route in ROUTES if route in words]
    forms = [form for form in FORMS if form in words]
    if not words or len(words) != len(routes) + len(forms) or len(routes) > 1 or len(forms) > 1:
        known = f"a route ({', '.join(get_args(Route))}), a form ({', '.join(get_args(Form))}), or both"
        raise WaysProblem(f"ways={text!r}: {known}")
    return next(iter(routes), None), next(iter(forms), None)


def _route_of(parameters: Mapping[str, object]) -> Route | None:
    name = getattr(parameters.get(_ROUTE_PARAMETER), "name", None)
    return next((route for route in ROUTES if route == name), None)


def _form_of(parameters: Mapping[str, object]) -> Form | None:
    said = next((parameters[name] for name in _FORM_PARAMETERS if name in parameters), None)
    if not isinstance(said, bool):
        return None
    return "stream" if said else "plain"
