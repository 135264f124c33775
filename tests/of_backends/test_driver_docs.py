"""What the adapter guides show is true: the exchange fits the schema, the ten lines run, tables are whole."""

import json
import re
from pathlib import Path

import pytest

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.spec import parse_backend
from tgi_conformance.cli.doctor_description import PARAMETERS
from tgi_conformance.contracts.adapter import METHODS, SETTINGS
from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.error_kinds import KINDS_FOR_STATUS, ErrorKind
from tgi_conformance.contracts.schema.registry import problems, schema

DOCS = Path(__file__).parents[2] / "docs"
PROTOCOL = (DOCS / "adapter-protocol.md").read_text(encoding="utf-8")
CONTRACT = (DOCS / "adapter-contract.md").read_text(encoding="utf-8")
CLIENT = """
class ClientError(Exception):
    code = 401


class Client:
    def __init__(self, url, token):
        self.url = url

    def generate(self, prompt):
        if not prompt:
            raise ClientError("no key")
        return f"{prompt} at {self.url}"
"""


def exchange() -> list[str]:
    return re.findall(r"^    [→←] (\{.*\})$", PROTOCOL, re.MULTILINE)


def test_exchange_of_the_guide_has_lines() -> None:
    assert len(exchange()) > 10


@pytest.mark.parametrize("line", exchange())
def test_line_of_the_guide_fits_the_schema(line: str) -> None:
    assert problems("adapter-message", json.loads(line)) == []


def test_protocol_guide_names_every_message_and_field() -> None:
    definitions = schema("adapter-message")["$defs"]
    for reference in (*definitions["from-driver"]["oneOf"], *definitions["from-host"]["oneOf"]):
        definition = definitions[reference["$ref"].rpartition("/")[2]]
        properties = definition["properties"]
        name = (properties.get("op") or properties["event"])["const"]
        for word in {name, *properties} - {"op", "event", "tgic"}:
            assert f"`{word}`" in PROTOCOL, f"{name}: {word}"


@pytest.mark.parametrize(
    "names", [METHODS, SETTINGS, tuple(CAPABILITIES), tuple(ErrorKind)], ids=lambda n: n[0]
)
def test_contract_guide_names_every(names: tuple[str, ...]) -> None:
    assert [name for name in names if not re.search(rf"`{name}[`(]", CONTRACT)] == []


@pytest.mark.parametrize("method", sorted(PARAMETERS))
def test_contract_guide_names_the_parameters_of_each_call(method: str) -> None:
    (row,) = re.findall(rf"^  \| `{method}` \| (`.*`) \|$", CONTRACT, re.MULTILINE)
    assert row.split("`")[1::2] == sorted(PARAMETERS[method] - {"max_completion_tokens"})


def test_contract_guide_has_the_kinds_of_each_status() -> None:
    told: dict[int, set[str]] = {}
    for line in re.findall(r"^  \| (.*) \|$", CONTRACT, re.MULTILINE):
        cells = line.split(" | ")
        for statuses, kinds in zip(cells[::2], cells[1::2], strict=False):
            if re.fullmatch(r"[\d, ]+", statuses):
                told |= {int(status): set(kinds.split("`")[1::2]) for status in statuses.split(", ")}
    assert told == {status: set(kinds) for status, kinds in KINDS_FOR_STATUS.items()}


def test_ten_line_adapter_runs(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```", CONTRACT, re.DOTALL)
    assert found is not None
    (tmp_path / "my_client.py").write_text(CLIENT)
    (tmp_path / "my_adapter.py").write_text(found[1])
    with Driver.start(parse_backend("my_adapter:Adapter", folder=tmp_path)) as driver:
        endpoint = driver.run("create_endpoint", {"base_url": "http://127.0.0.1:1", "api_key": "k"}).value
        assert (
            driver.run("generate", {"prompt": "hello", "endpoint_id": endpoint}).text
            == "hello at http://127.0.0.1:1"
        )
        refused = driver.run("generate", {"prompt": ""})
        assert refused.error is not None
        assert (refused.error.kind, refused.error.status) == (ErrorKind.AUTH, 401)
