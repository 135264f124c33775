"""The folders of the servers: each is read, and a file that is wrong says where."""

from typing import get_args

import pytest

from tgi_conformance.contracts.script import Persona
from tgi_conformance.contracts.servers.registry import ServerFileError, parse_server, servers
from tgi_conformance.contracts.tgi.info import VERSION
from tgi_conformance.contracts.tgi.personas import PERSONAS, ErrorForm, traits_of

HEAD = 'title = "t"\nsource = "inferred"\nknown_from = "k"\n'


def test_each_name_of_the_script_has_a_folder_and_the_other_way_round() -> None:
    assert set(servers()) == set(get_args(Persona))


def test_what_a_file_says_is_what_the_server_does() -> None:
    proxy = PERSONAS["openai-proxy"]
    assert proxy.serves("/v1/models")
    assert not proxy.serves("/generate")
    assert proxy.errors["overloaded"] == ErrorForm(
        429, headers=(("retry-after", "1"),), code="rate_limit_exceeded"
    )
    assert PERSONAS["hosted-router"].errors["loading"].more == {"estimated_time": 20.0}
    assert not PERSONAS["tgi-1.4"].serves("/v1/completions")


def test_only_the_server_that_was_recorded_says_so() -> None:
    assert [name for name, one in servers().items() if one.source == "recorded"] == ["tgi-3.3"]


@pytest.mark.parametrize("name", [name for name in get_args(Persona) if servers()[name].version])
def test_the_version_is_told_once_as_the_server_tells_it(name: Persona) -> None:
    assert servers()[name].version == PERSONAS[name].version


def test_a_trait_that_there_is_not_is_refused() -> None:
    wrong = parse_server("mine", HEAD + "[traits]\nblanks = true\n")
    with pytest.raises(ServerFileError, match=r"contracts/servers/mine/server\.toml: /traits.*blanks"):
        traits_of(wrong)


def test_the_native_server_is_the_table_with_nothing_in_it() -> None:
    assert not servers()["tgi-3.3"].traits
    assert servers()["tgi-3.3"].version == VERSION


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "contracts/servers/mine/server.toml: "),
        (HEAD.replace("inferred", "guessed"), "/source"),
        (HEAD + "colour = 1\n", "colour"),
        ('title = "t"\nsource = "inferred"\n', "known_from"),
    ],
)
def test_a_file_that_is_wrong_says_what_and_where(text: str, said: str) -> None:
    with pytest.raises(ServerFileError) as caught:
        parse_server("mine", text)
    assert said in str(caught.value)
    assert "contracts/servers/mine/server.toml" in str(caught.value)
