"""A way to make a call is a route and a form, such as ``chat stream``. Words only.

An adapter is one face of a client, sync or async. A client with two faces has two adapters, and every clause
binds on each of them: so the face is a run of its own and no part of the way.
"""

from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, get_args

Route = Literal["native", "chat", "completions"]
Form = Literal["plain", "stream"]

ROUTES: Final[tuple[Route, ...]] = get_args(Route)
FORMS: Final[tuple[Form, ...]] = get_args(Form)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to make a call; as a text, in the words that probes use: ``chat``, ``chat stream``."""

    route: Route
    form: Form

    def __str__(self) -> str:
        return f"{self.route} stream" if self.form == "stream" else self.route


#: All six, a route after the other.
WAYS: Final = tuple(Way(route=route, form=form) for route, form in product(ROUTES, FORMS))
WAY_BY_NAME: Final = {str(way): way for way in WAYS}
#: The six as the ``clause`` marker takes them: for a case that tries all of them.
EVERY_WAY: Final = tuple(WAY_BY_NAME)
