"""Every case of a published requirement set is in the suites, or it is told what became of it."""

import pytest
from requirement_sets import CLIENTS, RECORDED, SET, recorded, turned_red

from tgi_conformance.cli.case_listing import list_cases
from tgi_conformance.contracts.requirements.sets import read_set, set_names, unexplained, withdrawn


@pytest.fixture(scope="module")
def cases() -> frozenset[str]:
    return frozenset(listed.case for listed in list_cases())


@pytest.mark.parametrize("name", set_names())
def test_no_case_of_a_set_is_gone_without_a_word(name: str, cases: frozenset[str]) -> None:
    gone = unexplained(read_set(name), cases)
    assert not gone, "enter these in contracts/requirements/withdrawn.toml, with the reason"


def test_a_case_that_was_withdrawn_is_gone_and_what_took_its_place_is_there(cases: frozenset[str]) -> None:
    for entry in withdrawn().values():
        assert entry.case not in cases
        assert cases.issuperset(entry.replaced_by)


def test_what_was_green_for_a_published_client_is_of_the_set() -> None:
    names = [file.stem for file in sorted(RECORDED.glob("*.toml"))]
    assert names == ["huggingface_hub", "text_generation"]
    for name in names:
        assert recorded(name) - read_set(SET).cases == set()


def test_only_what_was_green_can_turn_red() -> None:
    verdicts = [{"case": f"REQ-01/{slug}", "ruling": slug} for slug in ("passed", "failed", "untestable")]
    assert [red["ruling"] for red in turned_red(verdicts, None)] == ["failed", "untestable"]
    assert turned_red(verdicts, frozenset({"REQ-01/passed", "REQ-01/untestable"})) == verdicts[2:]


@pytest.mark.parametrize("also_green", [True, False])
def test_what_is_blocked_has_turned_red_only_if_its_blocker_has(*, also_green: bool) -> None:
    blocked = {"case": "STREAM-14/close", "ruling": "blocked", "blocked_by": "DECL-01/healthy-chat-stream"}
    green = {"STREAM-14/close"} | ({"DECL-01/healthy-chat-stream"} if also_green else set())
    assert turned_red([blocked], frozenset(green)) == ([blocked] if also_green else [])


def test_the_kits_own_clients_keep_every_case_of_the_set() -> None:
    assert recorded("reference") is recorded("node") is None
    assert CLIENTS.keys() == {"reference", "node", "huggingface_hub", "text_generation"}
