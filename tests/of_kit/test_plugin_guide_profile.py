"""Profile tgi-guide: every key is demanded, hidden methods are errors."""

from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS
from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.plugin.backends_seen import hidden
from tgi_conformance.plugin.guide_profile import rule_guide_profile
from tgi_conformance.reports.results_map import roll_up
from tgi_conformance.reports.run import BackendInfo


def test_each_key_that_nothing_decided_fails_and_shows_in_the_map() -> None:
    decided = Verdict(
        case="STREAM-01/a", clause="STREAM-01", ruling=Ruling.PASSED, backend="b", results_key="streaming"
    )
    added = list(rule_guide_profile([decided], [BackendInfo(name="b")], seed=1))
    assert {verdict.results_key for verdict in added} == set(RESULTS_KEYS) - {"streaming"}
    results = roll_up([decided, *added], "b")
    assert results.values["streaming"] == "Success"
    assert len(results.failed) == 21


def test_a_key_that_an_untestable_case_leaves_open_is_demanded_too() -> None:
    unclear = [
        Verdict(case=f"X-01/{key}", clause="X-01", ruling=Ruling.UNTESTABLE, backend="b", results_key=key)
        for key in RESULTS_KEYS
    ]
    added = list(rule_guide_profile(unclear, [BackendInfo(name="b")], seed=1))
    assert len(added) == len(RESULTS_KEYS)
    assert "untestable: X-01/" in added[0].observed


def test_a_hidden_method_fails_the_declaration() -> None:
    complete = [
        Verdict(case=f"X-01/{key}", clause="X-01", ruling=Ruling.PASSED, backend="b", results_key=key)
        for key in RESULTS_KEYS
    ]
    (only,) = rule_guide_profile(complete, [BackendInfo(name="b", hidden=("chat",))], seed=1)
    assert (only.case, only.ruling, only.observed) == ("DECL-01/hidden", Ruling.FAILED, "not claimed: chat")


def test_a_method_is_hidden_if_none_of_its_capabilities_is_claimed() -> None:
    assert hidden({"generate", "submit", "describe"}, {"native"}) == ("submit",)
    assert hidden({"generate", "submit", "describe"}, {"native", "queue"}) == ()


def test_a_key_about_chats_is_not_decided_by_a_client_that_has_none() -> None:
    complete = [
        Verdict(case=f"X-01/{key}", clause="X-01", ruling=Ruling.PASSED, backend="b", results_key=key)
        for key in RESULTS_KEYS
    ]
    native = BackendInfo(name="b", claimed=("core", "native"))
    (only,) = rule_guide_profile(complete, [native], seed=1)
    assert (only.case, only.ruling) == ("DECL-01/demanded-chat_method", Ruling.FAILED)
    assert only.observed == "capability chat is not claimed"
    assert roll_up([*complete, only], "b").failed == ("chat_method",)
    chats = BackendInfo(name="b", claimed=("chat", "core"))
    assert list(rule_guide_profile(complete, [chats], seed=1)) == []
