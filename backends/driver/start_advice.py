"""What to do about a backend that does not start, by the stage that it came to. Pure."""

import re
from typing import Final

from tgi_conformance.backends.driver.session import MACHINE, BackendStartError
from tgi_conformance.backends.driver.spec import BackendSpec

#: The smallest description.
_SMALLEST: Final = '{"name": "my-client", "capabilities": ["chat"]}'
_FIELDS: Final = "docs/adapter-contract.md lists the fields, under Description"
_NO_MODULE: Final = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")


def advice_for(error: BackendStartError, spec: BackendSpec) -> str:
    """Say what to do, in one sentence."""
    if error.stage == "import":
        return _of_import(error.text, spec)
    if error.stage == "describe":
        return _of_describe(error.text)
    if error.stage == "create":
        if "has no method" in error.text:
            return (
                "every adapter has describe() and create_endpoint(); docs/adapter-contract.md begins with one"
            )
        return "the class is made without arguments, and must be made without an error"
    if error.stage == MACHINE:
        return "free memory, processes, open files or room for temporary files on this machine, and try again"
    if error.stage == "spawn":
        return f"correct --backend-command; it is run in {spec.folder}"
    return _of_hello(error.text, spec)


def _of_import(text: str, spec: BackendSpec) -> str:
    where, _, _ = spec.adapter.rpartition(":")
    missing = _NO_MODULE.search(text)
    if missing is not None and f"{where}.".startswith(f"{missing[1]}."):
        return (
            f"a module is looked for in {spec.folder} and in the packages of {spec.python}; "
            "for a file write path/to/file.py:Class"
        )
    if missing is not None:
        return (
            f"{spec.python} does not have {missing[1]!r}: install it there, or give the interpreter "
            "that has it with --backend-python"
        )
    if "there is no file" in text:
        return f"correct the path; it is taken from {spec.folder}"
    if "has no" in text:
        return "write the adapter's class behind the colon"
    return "the adapter's module must import without an error; the last lines above say where it does not"


def _of_describe(text: str) -> str:
    if "describe() gave" in text:
        return f"return a mapping such as {_SMALLEST}, or a tgi_conformance.adapter.Description"
    if "describe():" in text:
        return f"correct that field of the description; {_FIELDS}"
    return (
        "describe() is called before an endpoint is made, and must not raise; the last lines above say where"
    )


def _of_hello(text: str, spec: BackendSpec) -> str:
    if "no reply within" in text:
        return "the import, the constructor or describe() takes that long: it must not wait for anything"
    if spec.command:
        return (
            "run the command by hand: it reads JSON Lines on standard input and answers them "
            "on standard output (docs/adapter-protocol.md)"
        )
    return f"{spec.python} must be a Python 3.9 or later, and the adapter's module must not end the process"
