"""Where an error was raised, as the Node host tells it, and whose fault the driver makes of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.spec import parse_backend
from tgi_conformance.contracts.fault import where_it_began
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.suites.harness.expect import describe

HOST = Path(__file__).parents[2] / "backends" / "host" / "node"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not on the PATH")
CLIENT = """
import { inner } from "./inner.mjs";
export const answer = () => ({ text: "said" });
export const fail = () => { throw new Error("the server failed"); };
export const slip = () => inner().nonsense.deeper;
"""
ADAPTER = """
import { answer, fail, slip } from "./client.mjs";
import { spare } from "spare/sub.js";
import { join } from "node:path";
import { serve } from "./host.mjs";
class Adapter {
  describe() { return { name: "js", capabilities: ["native"] }; }
  create_endpoint() { return "e1"; }
  generate({ prompt }) { return this[prompt](); }
  mistake() { return answer().choices[0]; }
  own_raise() { throw new Error("not so"); }
  backend() { return fail(); }
  slip() { return slip(); }
  library() { return JSON.parse(answer().text); }
  installed() { return spare(); }
  wrap() { try { fail(); } catch (cause) { throw new Error("wrapped", { cause }); } }
  wrap_mistake() { try { this.mistake(); } catch (cause) { throw new Error("wrapped", { cause }); } }
  text() { throw "no error at all"; }
  own_type() { throw new (class Refused extends Error {})("no"); }
  named() { throw Object.assign(new Error("no"), { name: "Named" }); }
  classify(error) { return error.message === "not so" ? error.nonsense.kind : undefined; }
}
serve(new Adapter());
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("js")
    for name in ("host.mjs", "fence.mjs", "frames.mjs"):
        shutil.copy(HOST / name, folder)
    spare = folder / "node_modules" / "spare"
    spare.mkdir(parents=True)
    (spare / "package.json").write_text('{"name": "spare", "type": "module"}')
    (spare / "sub.js").write_text('export const spare = () => { throw new Error("spare"); };')
    (folder / "client.mjs").write_text(CLIENT)
    (folder / "inner.mjs").write_text("export const inner = () => ({});")
    (folder / "adapter.mjs").write_text(ADAPTER)
    return folder


@pytest.fixture(scope="module")
def driver(folder: Path) -> Iterator[Driver]:
    with Driver.start(parse_backend(command=f"node {folder / 'adapter.mjs'}")) as driver:
        yield driver


def call(driver: Driver, how: str) -> Outcome:
    outcome = driver.run("generate", {"prompt": how})
    assert outcome.ending == "error"
    return outcome


def test_what_a_statement_of_the_adapter_fails_at_is_its_own(driver: Driver) -> None:
    said = " at adapter.mjs:10 in Adapter.mistake (the adapter's)"
    outcome = call(driver, "mistake")
    assert where_it_began(outcome.exception) == said
    assert said in describe(outcome)
    assert where_it_began(call(driver, "wrap_mistake").exception) == f", from TypeError{said}"
    own = where_it_began(call(driver, "own_raise").exception)
    assert own == " at adapter.mjs:11 in Adapter.own_raise (the adapter's own raise)"


@pytest.mark.parametrize("how", ["backend", "library", "installed", "wrap", "text"])
def test_what_the_backend_throws_is_not(driver: Driver, how: str) -> None:
    assert where_it_began(call(driver, how).exception) == ""


@pytest.mark.parametrize(
    ("how", "told"),
    [("own_type", "Refused"), ("named", "Named"), ("mistake", "TypeError"), ("backend", "Error")],
)
def test_an_error_has_the_name_of_its_class_where_it_has_no_other(
    driver: Driver, how: str, told: str
) -> None:
    assert call(driver, how).exception[0].type == told


def test_frames_are_relative_have_owners_and_leave_the_host_out(driver: Driver) -> None:
    (link,) = call(driver, "installed").exception
    assert [(frame.file, frame.owner) for frame in link.frames[:3]] == [
        ("spare/sub.js", "backend"),
        ("adapter.mjs", "adapter"),
        ("adapter.mjs", "adapter"),
    ]
    for how in ("installed", "slip", "library", "wrap", "mistake"):
        for each in call(driver, how).exception:
            files = [frame.file for frame in each.frames]
            assert not [file for file in files if file.startswith(("/", "file:")) or "host.mjs" in file]
    assert where_it_began(call(driver, "slip").exception) == " at client.mjs:5 in slip"


def test_a_failing_classify_is_told_with_its_place(driver: Driver) -> None:
    assert "at adapter.mjs:21 in Adapter.classify" in describe(call(driver, "own_raise"))


def test_an_adapter_that_is_the_client_too_is_not_told_apart_from_it(folder: Path) -> None:
    imports = 'import { answer, fail, slip } from "./client.mjs";\nimport { spare } from "spare/sub.js";'
    (folder / "alone.mjs").write_text(ADAPTER.replace(imports, "const answer = () => ({});\n"))
    with Driver.start(parse_backend(command=f"node {folder / 'alone.mjs'}")) as driver:
        assert where_it_began(call(driver, "mistake").exception) == " at alone.mjs:10 in Adapter.mistake"
