"""HF_API_KEY(_n) and HF_MODEL_ID(_n): how many endpoints there are, and never a real key."""

import re

import pytest

from tgi_conformance.plugin.environment import DEFAULT_MODEL, EnvironmentProblem, endpoints_given


def test_without_variables_there_is_one_endpoint_with_the_guides_model() -> None:
    (only,) = endpoints_given({}, 1)
    assert (only.alias, only.model) == ("A", DEFAULT_MODEL)


def test_numbered_keys_make_endpoints_and_models_default_to_the_first() -> None:
    given = endpoints_given(
        {
            "HF_API_KEY": "k",
            "HF_API_KEY_1": "k1",
            "HF_API_KEY_2": "k2",
            "HF_MODEL_ID": "m",
            "HF_MODEL_ID_2": "m2",
        },
        1,
    )
    assert [(e.alias, e.model) for e in given] == [("A", "m"), ("B", "m"), ("C", "m2")]


def test_real_keys_are_never_passed_on() -> None:
    given = endpoints_given({"HF_API_KEY": "hf_real", "HF_API_KEY_1": "hf_real2"}, 7)
    keys = [endpoint.key for endpoint in given]
    assert all(re.fullmatch(r"hf_[A-Za-z]{34}", key) for key in keys)
    assert len(set(keys)) == 2
    assert not {"hf_real", "hf_real2"} & set(keys)


def test_canaries_follow_from_the_seed() -> None:
    assert endpoints_given({}, 7) == endpoints_given({}, 7)
    assert endpoints_given({}, 7)[0].key != endpoints_given({}, 8)[0].key


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"HF_API_KEY_2": "k"}, "HF_API_KEY_1 is missing"),
        ({"HF_API_KEY_0": "k"}, "HF_API_KEY_0"),
        ({"HF_API_KEY_01": "k"}, "HF_API_KEY_01"),
        ({"HF_API_KEY_x": "k"}, "HF_API_KEY_x"),
        ({"HF_MODEL_ID_1": "m"}, "HF_API_KEY_1 is not"),
        ({"HF_API_KEY": " "}, "HF_API_KEY is empty"),
        ({"HF_MODEL_ID": "m\n"}, "HF_MODEL_ID is empty or has white space"),
        ({f"HF_API_KEY_{n}": "k" for n in range(1, 27)}, "at most 26"),
    ],
)
def test_what_cannot_be_followed_is_named(environment: dict[str, str], said: str) -> None:
    with pytest.raises(EnvironmentProblem, match=said):
        endpoints_given(environment, 1)


def test_other_variables_do_not_matter() -> None:
    assert endpoints_given(
        {"HF_API_KEYS": "k", "HF_HOME": "x", "MY_HF_API_KEY_9": "k"}, 1
    ) == endpoints_given({}, 1)
