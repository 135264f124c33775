"""Whose fault an exception is: owners of frames, and what is said to be the adapter's."""

from dataclasses import replace
from typing import Any

import pytest

from tgi_conformance.contracts.codec import from_json, to_json
from tgi_conformance.contracts.fault import MOST_FRAMES, AdapterCode, Ownership, where_it_began
from tgi_conformance.contracts.outcome import Beginning, ExceptionLink, Frame

CODE = AdapterCode(files=("my_adapter.py",), imports=("my_client", "@scope/pkg", "other.mjs", "socket.io"))
OWNERSHIP = Ownership(code=CODE)
ADAPTER = Frame(file="my_adapter.py", line=42, function="chat")
BACKEND = Frame(file="my_client/core.py", line=7, function="send")
LIBRARY = Frame(file="lib/json/decoder.py", line=3, function="decode")


def link(
    frame: Frame | None = ADAPTER,
    began: Beginning = "failed",
    kind: str = "KeyError",
    relation: str = "raised",
) -> ExceptionLink:
    frames = () if frame is None else (frame, replace(ADAPTER, line=9))
    return ExceptionLink(type=kind, message="'choices'", frames=frames, began=began, relation=relation)


def said(*chain: ExceptionLink, ownership: Ownership = OWNERSHIP) -> str:
    return where_it_began(ownership.judge(chain))


@pytest.mark.parametrize(
    ("file", "owner"),
    [
        ("my_adapter.py", "adapter"),
        ("my_client.py", "backend"),
        ("my_client/core.py", "backend"),
        ("my_client_too/core.py", "library"),
        ("@scope/pkg/dist/index.js", "backend"),
        ("other.mjs", "backend"),
        ("socket.io/x.js", "backend"),
        ("requests/api.py", "library"),
        ("lib/json/decoder.py", "library"),
        ("", "library"),
    ],
)
def test_a_file_has_one_owner(file: str, owner: str) -> None:
    assert OWNERSHIP.owner(file) == owner


def test_a_library_that_carries_http_is_no_backend_although_the_adapter_imports_it() -> None:
    both = Ownership(code=replace(CODE, imports=("my_client", "requests"), native=("requests",)))
    assert (both.owner("requests/api.py"), both.owner("my_adapter.py")) == ("library", "adapter")
    assert said(link(began="called"), ownership=both) != ""


def test_declared_packages_count_before_what_is_imported() -> None:
    declared = Ownership(code=CODE, packages=frozenset({"core.pkg"}))
    assert [
        declared.owner(f) for f in ("core/pkg/x.py", "core/y.py", "my_client/core.py", "my_adapter.py")
    ] == [*("backend", "library", "library", "adapter")]


@pytest.mark.parametrize(
    "ownership",
    [
        Ownership(code=AdapterCode(files=("my_adapter.py",))),
        Ownership(code=replace(CODE, imports=("requests", "undici"))),
        Ownership(code=replace(CODE, routes=True)),
        Ownership(code=CODE, packages=frozenset({"my_adapter"})),
    ],
    ids=["imports nothing", "imports HTTP alone", "builds the requests", "declared"],
)
def test_an_adapter_that_is_the_client_itself_is_not_blamed_as_adapter(ownership: Ownership) -> None:
    assert ownership.owner("my_adapter.py") == "backend"
    assert said(link(), ownership=ownership) == " at my_adapter.py:42 in chat"


def test_a_host_that_says_nothing_of_the_code_leaves_it_unclear() -> None:
    assert said(link(), ownership=Ownership()) == ""
    assert said(link(frame=None)) == ""


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ((link(),), " at my_adapter.py:42 in chat (the adapter's)"),
        ((link(began="called"),), " at my_adapter.py:42 in chat (the adapter's)"),
        ((link(began="unknown"),), " at my_adapter.py:42 in chat (the adapter's)"),
        ((link(began="raised"),), " at my_adapter.py:42 in chat (the adapter's own raise)"),
        ((link(BACKEND),), " at my_client/core.py:7 in send"),
        (
            (link(began="translated", kind="W"), link(relation="cause")),
            ", from KeyError at my_adapter.py:42 in chat (the adapter's)",
        ),
        (
            (link(), link(BACKEND, "raised", relation="context")),
            " at my_adapter.py:42 in chat (the adapter's)",
        ),
        (
            (link(None, kind="Group"), link(relation="group")),
            ", from KeyError at my_adapter.py:42 in chat (the adapter's)",
        ),
    ],
)
def test_what_begins_in_the_adapter_is_said_with_its_place(
    chain: tuple[ExceptionLink, ...], words: str
) -> None:
    assert said(*chain) == words


@pytest.mark.parametrize(
    "chain",
    [
        (link(BACKEND, "raised"),),
        (link(LIBRARY),),
        (link(None),),
        (link(began="delivered"),),
        (link(began="translated"),),
        (link(began="called", kind="asyncio.exceptions.CancelledError"),),
        (link(kind="KeyboardInterrupt"),),
        (link(began="raised", kind="my_client.errors.Refused"),),
        (link(began="translated"), link(BACKEND, "raised", relation="cause")),
        (link(began="translated"), link(BACKEND, "raised", relation="context")),
        (link(BACKEND, "raised"), link(relation="context")),
        (link(None), link(relation="group"), link(BACKEND, relation="group")),
    ],
)
def test_what_a_backend_raised_or_gave_as_the_reason_is_not_the_adapters(
    chain: tuple[ExceptionLink, ...],
) -> None:
    assert said(*chain) == ""


def test_a_call_into_a_backend_with_native_code_is_in_doubt() -> None:
    native = Ownership(code=replace(CODE, native=("my_client",)))
    assert said(link(began="called"), ownership=native) == ""
    assert said(link(began="failed"), ownership=native) != ""


@pytest.mark.parametrize(
    "file", ["/home/me/my_client.py", "C:\\Users\\me\\my_client.py", "file:///home/me/my_client.py"]
)
def test_a_path_of_the_machine_is_cut_to_its_name(file: str) -> None:
    (judged,) = OWNERSHIP.judge([link(Frame(file=file))])
    assert (judged.frames[0].file, judged.frames[0].owner) == ("my_client.py", "backend")


def test_no_more_than_the_innermost_frames_are_kept() -> None:
    many = tuple(replace(BACKEND, line=number) for number in range(50))
    (judged,) = OWNERSHIP.judge([ExceptionLink(type="X", frames=many)])
    assert [frame.line for frame in judged.frames] == list(range(MOST_FRAMES))


def test_a_judged_link_survives_the_codec() -> None:
    (judged,) = OWNERSHIP.judge([link()])
    told: Any = to_json(judged)
    assert told["frames"][0] == {"file": "my_adapter.py", "line": 42, "function": "chat", "owner": "adapter"}
    assert from_json(ExceptionLink, told) == judged
