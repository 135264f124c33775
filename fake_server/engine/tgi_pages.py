"""What TGI answers without a generation: its pages, preflights, and whom it lets read an answer. Pure."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Final

from tgi_conformance.contracts.json_texts import dumps
from tgi_conformance.contracts.script import Server
from tgi_conformance.contracts.tgi import headers as tgi_headers
from tgi_conformance.contracts.tgi.info import Route, RouteKind, info, models
from tgi_conformance.contracts.tgi.personas import Traits, info_value
from tgi_conformance.fake_server.engine.answers import Answer
from tgi_conformance.fake_server.engine.tgi_answers import empty_answer, json_answer, text_answer
from tgi_conformance.fake_server.http.parsing import Request

_DOCS_PAGE: Final = (
    '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>API of the fake TGI server</title>'
    "</head>\n<body><h1>API of the fake TGI server</h1>"
    '<p>The routes and their schemas: <a href="../api-doc/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
    "</body>\n</html>\n"
)


def page(kind: RouteKind, server: Server, metrics: Callable[[], str], traits: Traits) -> Answer:
    """The answer to a GET or HEAD."""
    if kind == "info":
        return json_answer(200, dumps(info_value(traits, info(server))))
    if kind == "models":
        return json_answer(200, dumps(models(server)))
    if kind == "openapi":
        # Not before it is asked for: the schemas bring jsonschema along, a sixth of the server's start.
        from tgi_conformance.contracts.tgi.openapi import openapi_text  # noqa: PLC0415

        return json_answer(200, openapi_text())
    if kind == "metrics":
        return text_answer(200, metrics())
    if kind == "docs":
        return Answer(303, (("location", "/docs/"), *tgi_headers.CORS))
    if kind == "docs_page":
        headers = (("content-type", "text/html"), *tgi_headers.CORS)
        return Answer(200, headers, (_DOCS_PAGE.encode(),))
    return empty_answer(200)


def preflight(route: Route | None) -> Answer:
    """The answer to any OPTIONS."""
    allow = (("allow", route.allow),) if route is not None else ()
    return Answer(200, (*tgi_headers.PREFLIGHT, *allow))


def with_origin(answer: Answer, request: Request, server: Server) -> Answer:
    """Tell the request's origin instead of ``*`` where the server allows some only; nothing to any other."""
    if not server.cors_allow_origin:
        return answer
    anyone = tgi_headers.ALLOW_ORIGIN
    origin = request.first.get("origin")
    told = ((anyone[0], origin),) if origin is not None and origin in server.cors_allow_origin else ()
    lines = (told if header == anyone else (header,) for header in answer.headers)
    return replace(answer, headers=tuple(chain.from_iterable(lines)))
