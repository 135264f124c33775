"""MUX: the key that the caller gives is the one that is sent, whatever else lies about."""

from pathlib import Path
from typing import Final

from tgi_conformance.suites.areas.process.own import call_in, created_in, forms
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_success
from tgi_conformance.suites.shapes.calls import SHAPES

#: Where clients and the libraries beneath them look for a key that nobody gave them.
VARIABLES: Final = (
    "HF_TOKEN",
    "HF_API_KEY",
    "HF_API_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HUGGINGFACEHUB_API_TOKEN",
    "HUGGINGFACE_API_KEY",
    "TGI_API_KEY",
    "OPENAI_API_KEY",
    "API_KEY",
)


@clause("MUX-10", ways=("chat", "chat stream"))
def test_an_explicit_key_wins_over_the_environment(case: Case, tmp_path: Path) -> None:
    """What the caller passes is what is sent."""
    file = tmp_path / "token"
    file.write_text(case.key("B"), encoding="ascii")
    login = {"HF_HOME": str(tmp_path), "HF_TOKEN_PATH": str(file)}

    _expect_given_key(case, **dict.fromkeys(VARIABLES, case.key("B")), **login)


@clause("MUX-10", case="netrc", ways=("chat", "chat stream"))
def test_an_explicit_key_wins_over_netrc(case: Case, tmp_path: Path) -> None:
    """Some libraries put the file's login for the server's host in place of the header they were given."""
    file = tmp_path / ".netrc"
    login = f"login somebody password {case.key('B')}\n"
    file.write_text(
        "".join(f"machine {host} {login}" for host in ("127.0.0.1", "localhost")), encoding="ascii"
    )
    file.chmod(0o600)  # else Python reads none

    _expect_given_key(case, HOME=str(tmp_path), NETRC=str(file))


def _expect_given_key(case: Case, **surroundings: str) -> None:
    """Make a call of each claimed kind in a process with these surroundings; each carries the key given."""
    space = case.serve_healthy()
    with case.fresh_process(**surroundings) as driver:
        created = created_in(driver, case, space.base_url, case.key())
        expect_success(created, "create_endpoint")
        for shape in filter(lambda shape: case.claims(shape.capability), SHAPES):
            for stream in forms(case, shape):
                call_in(driver, case, shape, created.value, stream=stream)

    journal = space.journal()
    sent = [(e.path, e.key or "none", e.header_values("authorization")) for e in journal.generations]
    others = [f"{path} with key:{key}" for path, key, values in sent if values != (f"Bearer {case.key()}",)]
    expect(
        bool(sent) and not others,
        expected="the key given to create_endpoint in each request",
        observed=", ".join(others) or "no request",
        journal=journal,
    )
