"""Which real endpoints options and environment name, and what is refused without showing a secret."""

from types import SimpleNamespace
from typing import Any

import pytest

from tgi_conformance.plugin.real.given import RealProblem, read_given, take_keys

URL = "https://tgi.example.org/v1-mount"
KEY = "hf_a-real-key-that-nobody-sees"


def asked(**options: Any) -> Any:
    """The options of a run, none of them given."""
    none = dict.fromkeys(
        ("endpoint", "cacert", "header", "max_requests", "max_tokens", "real_concurrency"), None
    )
    given = none | {"dry_run": False} | options
    return SimpleNamespace(**{f"tgi_{name}": value for name, value in given.items()})


def test_one_address_without_a_key_is_one_endpoint_without_a_key() -> None:
    given = read_given(asked(), {"TGI_ENDPOINT": URL}, "t")
    assert given.shown == URL
    assert [(each.url, each.key) for each in given.orders.endpoints] == [(URL, "")]
    assert (given.orders.max_requests, given.orders.max_tokens, given.orders.concurrency) == (300, 5000, 4)


def test_each_key_is_an_endpoint_at_its_own_address_or_the_first() -> None:
    environment = {
        "TGI_ENDPOINT": URL,
        "HF_API_KEY": "k0",
        "HF_API_KEY_1": "k1",
        "HF_API_KEY_2": "k2",
        "TGI_ENDPOINT_2": "http://other:8080",
    }
    endpoints = read_given(asked(), environment, "t").orders.endpoints
    assert [(each.url, each.key) for each in endpoints] == [
        (URL, "k0"),
        (URL, "k1"),
        ("http://other:8080", "k2"),
    ]


def test_the_option_comes_before_the_variable() -> None:
    given = read_given(asked(endpoint="http://option"), {"TGI_ENDPOINT": URL}, "t")
    assert given.orders.endpoints[0].url == given.shown == "http://option"


def test_headers_for_a_gateway_are_secrets_and_go_along() -> None:
    orders = read_given(asked(endpoint=URL, header=["x-gateway-token:  secret-value "]), {}, "t").orders
    assert orders.headers == (("x-gateway-token", "secret-value"),)
    assert "secret-value" in orders.secrets.values()


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (
            {},
            {"TGI_ENDPOINT": f"https://user:{KEY}@x"},
            "TGI_ENDPOINT: a URL with user or password is refused",
        ),
        ({"endpoint": "ftp://x"}, {}, "--tgi-endpoint 'ftp://x': an http or https URL is needed"),
        (
            {},
            {"TGI_ENDPOINT": URL, "HF_API_KEY_1": KEY, "TGI_ENDPOINT_1": f"https://{KEY}@x"},
            "TGI_ENDPOINT_1: a URL with user or password",
        ),
        (
            {},
            {"TGI_ENDPOINT": URL, "TGI_ENDPOINT_3": "http://x"},
            "TGI_ENDPOINT_3 is set, but HF_API_KEY_3 is not",
        ),
        ({"endpoint": URL, "header": [KEY]}, {}, "--header: NAME: VALUE is needed"),
        ({"endpoint": URL, "header": ["bad name: x"]}, {}, "--header: NAME: VALUE is needed"),
        (
            {"endpoint": URL, "cacert": "/nonexistent.pem"},
            {},
            "--cacert /nonexistent.pem: there is no such file",
        ),
        ({"endpoint": URL, "max_requests": 0}, {}, "--max-requests 0: a number from 1 up"),
        ({"endpoint": URL, "max_tokens": -3}, {}, "--max-tokens -3: a number from 1 up"),
        ({"endpoint": URL, "real_concurrency": 0}, {}, "--real-concurrency 0: a number from 1 up"),
    ],
)
def test_what_cannot_be_followed_is_said_with_what_to_do_and_without_a_secret(
    options: dict[str, Any], environment: dict[str, str], said: str
) -> None:
    with pytest.raises(RealProblem) as raised:
        read_given(asked(**options), environment, "t")
    assert said in str(raised.value)
    assert KEY not in str(raised.value)


def test_keys_and_addresses_leave_the_environment_and_nothing_else_does() -> None:
    environment = {
        "HF_API_KEY": "a",
        "HF_API_KEY_1": "b",
        "TGI_ENDPOINT": "c",
        "TGI_ENDPOINT_1": "d",
        "HF_MODEL_ID": "m",
        "HF_API_KEYS": "x",
        "PATH": "p",
    }
    take_keys(environment)
    assert sorted(environment) == ["HF_API_KEYS", "HF_MODEL_ID", "PATH"]
