"""IMG: images in chat messages and native prompts.

Suites hand images over as ``{"type": "image", "image": bytes or path}`` and as OpenAI's
``{"type": "image_url", "image_url": {"url": ...}}``.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import unquote

import pytest
from hypothesis import strategies as st

from tgi_conformance.contracts.error_kinds import kinds_for_status
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.script import always, status
from tgi_conformance.suites.areas.ways import EITHER, needs_way
from tgi_conformance.suites.generated.images import BEGINNINGS
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import (
    describe,
    expect,
    expect_error,
    expect_requests,
    expect_success,
)
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, Shape

#: A pixel in PNG, whole and valid.
PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PIXEL_URL: Final = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
#: What a backend claims that takes parts of a type.
CAPABILITY_OF_PART: Final = {"image": "img-bytes", "image_url": "img"}
#: As strict as TGI's own reading: one semicolon, standard alphabet, padded, no line breaks.
_DATA_URL: Final = re.compile(
    r"data:([a-z]+/[a-z0-9.+-]+);base64,((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)"
)
#: Where TGI looks for images in a prompt: the URL ends at the first closing parenthesis.
_MARKDOWN: Final = re.compile(r"!\[\]\(([^)]*)\)")


def _text(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def _image(content: bytes | str) -> dict[str, object]:
    return {"type": "image", "image": content}


def _image_url(url: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url}}


def _ask(case: Case, *parts: dict[str, object], stream: bool = False) -> list[dict[str, Any]]:
    """Send one user message of these parts, and give the content that went out."""
    given = {part["type"] for part in parts}
    needs_way(case, CHAT, stream=stream)
    case.needs(*(CAPABILITY_OF_PART[kind] for kind in CAPABILITY_OF_PART if kind in given))
    space = case.serve(CHAT.reply("a pixel", streaming=stream).times(0, 1))
    message = {"role": "user", "content": list(parts)}
    outcome = case.call(endpoint=case.endpoint(), shape=CHAT, stream=stream, subject=[message])
    expect_success(outcome, "a call with an image")
    return _content(space.journal())


def _content(journal: Journal) -> list[dict[str, Any]]:
    expect_requests(journal.generations, 1, because="one call was made", journal=journal)
    content = cast("dict[str, Any]", journal.generations[0].json())["messages"][-1]["content"]
    expect(
        isinstance(content, list) and all(isinstance(part, dict) for part in content),
        expected="a content of parts",
        observed=json.dumps(content)[:400],
    )
    return cast("list[dict[str, Any]]", content)


def _urls(content: list[dict[str, Any]]) -> list[str]:
    return [part["image_url"]["url"] for part in content if part.get("type") == "image_url"]


def _one_url(content: list[dict[str, Any]]) -> str:
    urls = _urls(content)
    expect(
        len(urls) == 1,
        expected='one part {"type": "image_url", "image_url": {"url": ...}}',
        observed=json.dumps(content)[:400],
    )
    return urls[0]


def _decoded(url: str) -> tuple[str, bytes]:
    """Media type and bytes of a data URL that TGI reads."""
    match = _DATA_URL.fullmatch(url)
    expect(
        match is not None,
        expected="data:TYPE;base64,… in the standard alphabet, padded, on one line",
        observed=repr(url[:200]),
    )
    if match is None:  # pragma: no cover - expect has raised
        raise AssertionError
    return match[1], base64.b64decode(match[2], validate=True)


@clause("IMG-01", ways="chat")
@pytest.mark.parametrize("form", ["bytes", "data-url"])
@EITHER
def test_images_go_out_as_parts_in_the_callers_order(case: Case, form: str, *, stream: bool) -> None:
    """Turned into text, an image is half a megabyte of nonsense to the model."""
    image = _image(PIXEL) if form == "bytes" else _image_url(PIXEL_URL)

    content = _ask(case, _text("Compare "), image, _text(" with "), image, stream=stream)

    shown = [(part.get("type"), part.get("text")) for part in content]
    expect(
        shown == [("text", "Compare "), ("image_url", None), ("text", " with "), ("image_url", None)],
        expected="text, image, text, image",
        observed=json.dumps(content)[:400],
    )
    for url in _urls(content):
        expect(
            isinstance(url, str) and url.startswith("data:"), expected="a data URL", observed=repr(url)[:200]
        )


#: Lengths at which padding, line breaks of MIME and buffers show.
LENGTHS: Final = (1, 2, 3, 57, 58, 76, 1000, 65_536)


@clause("IMG-02", ways="chat")
@pytest.mark.parametrize("length", LENGTHS)
def test_bytes_become_a_data_url_of_the_same_bytes(case: Case, length: int) -> None:
    """TGI decodes strictly: the URL alphabet, a missing ``=`` or a line break is a 422."""
    image = (BEGINNINGS["image/png"] + bytes(i * 151 % 256 for i in range(length)))[-length:]

    _, decoded = _decoded(_one_url(_ask(case, _text("See"), _image(image))))

    _expect_bytes(decoded, image)


@clause("IMG-02", case="each")
@pytest.mark.parametrize(("shape", "stream"), [pytest.param(CHAT, True, id="chat-stream")])
def test_bytes_become_a_data_url_of_the_same_bytes_in_a_stream(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """Images are often put into their form where the plain call is made."""
    needs_way(case, shape, stream=stream)
    for media_type, beginning in sorted(BEGINNINGS.items()):
        image = beginning + bytes(i * 151 % 256 for i in range(1000))
        _, decoded = _decoded(_one_url(_ask(case, _text("See"), _image(image), stream=stream)))
        expect(decoded == image, expected=f"the bytes of the {media_type}", observed=repr(decoded[:40]))


@clause("IMG-02", case="property-p05", ways="chat")
def test_any_bytes_become_a_data_url_of_the_same_bytes(case: Case) -> None:
    """Whatever the image holds."""
    case.needs("img-bytes", "chat")

    def check(example: Case, image: bytes) -> None:
        _, decoded = _decoded(_one_url(_ask(example, _text("See"), _image(image))))
        _expect_bytes(decoded, image)

    check_property(case, st.binary(min_size=1, max_size=600), check)


@clause("IMG-02", case="unreadable-file", ways="chat")
def test_a_file_that_cannot_be_read_is_a_local_error(case: Case, tmp_path: Path) -> None:
    """Sent as it is, the path itself is read by the model."""
    case.needs("img-bytes", "chat")
    space = case.serve(CHAT.plain("fine").times(0, 1))
    message = {"role": "user", "content": [_text("See"), _image(str(tmp_path / "missing.png"))]}

    outcome = case.call(endpoint=case.endpoint(), shape=CHAT, subject=[message])

    expect_requests(space.journal().generations, 0, because="there is no such file", journal=space.journal())
    expect_error(outcome, because="there is no such file")


def _expect_bytes(decoded: bytes, image: bytes) -> None:
    expect(
        decoded == image,
        expected=f"{len(image)} bytes as given: {image[:40]!r}…",
        observed=f"{len(decoded)} bytes: {decoded[:40]!r}…",
    )


@clause("IMG-03", ways="chat")
@pytest.mark.parametrize("media_type", sorted(BEGINNINGS), ids=lambda name: name.rpartition("/")[2])
def test_the_media_type_is_that_of_the_bytes(case: Case, media_type: str) -> None:
    """A JPEG called PNG is refused by whoever believes the label."""
    _expect_type(_one_url(_ask(case, _text("See"), _image(BEGINNINGS[media_type] + bytes(40)))), media_type)


@clause("IMG-03", case="in-a-stream", ways="chat stream")
def test_the_media_type_is_that_of_the_bytes_in_a_stream(case: Case) -> None:
    """The label is often written where the plain call is made."""
    for media_type, beginning in sorted(BEGINNINGS.items()):
        _expect_type(
            _one_url(_ask(case, _text("See"), _image(beginning + bytes(40)), stream=True)), media_type
        )


def _expect_type(url: str, media_type: str) -> None:
    expect(url.startswith(f"data:{media_type};"), expected=f"data:{media_type};…", observed=repr(url[:60]))


@clause("IMG-04", case="a-ready-made-data-url-passes-once")
@EITHER
def test_a_ready_made_data_url_passes_once(case: Case, *, stream: bool) -> None:
    """Wrapped again, it is the base64 of a URL."""
    url = _one_url(_ask(case, _text("See"), _image_url(PIXEL_URL), stream=stream))

    expect(url == PIXEL_URL, expected=PIXEL_URL, observed=url[:300])


@clause("IMG-05", case="a-web-url-passes-by-reference-and-survives-tgis-pattern")
@EITHER
def test_a_web_url_passes_by_reference_and_survives_tgis_pattern(case: Case, *, stream: bool) -> None:
    """TGI writes the URL into ``![](…)`` and reads it to the first closing parenthesis."""
    case.needs("img", "chat")
    pictures = case.serve(always(status(200, text="no picture"), at_least=0).where(path="/a_(1).png"))
    wanted = f"{pictures.base_url}/a_(1).png"

    url = _one_url(_ask(case, _text("See"), _image_url(wanted), stream=stream))

    found = _MARKDOWN.search(f"![]({url})")
    recovered = found[1] if found else ""
    expect(
        unquote(recovered) == wanted and not pictures.journal().exchanges,
        expected=f"{wanted} with its parenthesis percent-encoded, not fetched by the client",
        observed=f"{url!r}, of which TGI reads {recovered!r}",
    )


@clause("IMG-06", case="a-payload-over-the-limit-is-reported-once")
@EITHER
def test_a_payload_over_the_limit_is_reported_once(case: Case, *, stream: bool) -> None:
    """Sending two megabytes again does not make them fewer."""
    needs_way(case, CHAT, stream=stream)
    case.needs("img")
    space = case.serve_healthy()
    image = base64.b64encode(BEGINNINGS["image/png"] + bytes(2 * 2**20)).decode()
    message = {"role": "user", "content": [_text("See"), _image_url(f"data:image/png;base64,{image}")]}
    endpoint = case.endpoint(max_retries=2, initial_retry_delay=0.02, backoff_factor=1.0)

    outcome = case.call(endpoint=endpoint, shape=CHAT, stream=stream, subject=[message])

    info = expect_error(outcome, *kinds_for_status(413), because="the payload is over TGI's limit")
    expect(
        info is not None and info.status == 413,
        expected="the status 413 on the error",
        observed=describe(outcome),
    )
    expect_requests(space.journal().generations, 1, because="a 413 is permanent", journal=space.journal())


@clause("IMG-07", case="a-native-image-is-markdown-at-its-place")
@EITHER
def test_a_native_image_is_markdown_at_its_place(case: Case, *, stream: bool) -> None:
    """The native route has no parts: TGI finds images by this pattern in the prompt."""
    needs_way(case, NATIVE, stream=stream)
    case.needs("img-native")
    space = case.serve(NATIVE.reply("a pixel", streaming=stream).times(0, 1))
    parts: list[object] = ["What is ", _image(PIXEL), " here?"]

    outcome = case.call(endpoint=case.endpoint(), shape=NATIVE, stream=stream, subject=parts)

    expect_success(outcome, "a native call with an image")
    expect_requests(space.journal().generations, 1, because="one call was made", journal=space.journal())
    inputs = NATIVE.prompt_of(space.journal().generations[0].json())
    expect(
        inputs.startswith("What is ![](") and inputs.endswith(") here?"),
        expected="What is ![](…) here?",
        observed=repr(inputs)[:300],
    )
    _, decoded = _decoded(inputs.removeprefix("What is ![](").removesuffix(") here?"))
    _expect_bytes(decoded, PIXEL)
