"""What a client declares under a row. Pure: mappings in, mappings out."""

from collections.abc import Iterable, Mapping
from typing import Any

from rows import KNOBS, Stranger

#: What goes with a capability that is left out.
METHODS: Mapping[str, tuple[str, ...]] = {
    "native": ("generate",),
    "chat": ("chat",),
    "completions": ("completions",),
    "stats": ("get_stats",),
    "reset": ("reset_stats",),
    "update": ("update_endpoint",),
    "probe": ("test_endpoint",),
    "cancel": ("submit",),
    "close": ("close", "close_endpoint"),
}
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "queue": ("max_concurrent_requests", "queue_size", "queue_enabled"),
    "timeout": ("timeout",),
    "breaker": ("breaker_failures", "breaker_delay"),
}
_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "stream": ("stream_options",),
    "tools": ("tools", "tool_choice", "tool_prompt"),
    "grammar": ("grammar", "response_format"),
}
AUXILIARY: Mapping[str, str] = {"asks info": "GET /info", "asks health": "GET /health"}
PLACEHOLDER = "none-needed"
TEMPERATURE = 0.7
#: The fields of ``defaults`` that tell a setting's own value.
_DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "max_concurrent_requests": ("max_concurrent_requests",),
    "queue_size": ("queue_size",),
    "timeout": ("connect_timeout", "read_timeout"),
}


def _gone(table: Mapping[str, tuple[str, ...]], capabilities: Iterable[str]) -> set[str]:
    return {name for capability in capabilities for name in table.get(capability, ())}


def hidden_methods(stranger: Stranger) -> set[str]:
    """The methods that the client does not have under the row."""
    return _gone(METHODS, stranger.row.without)


def own_settings(stranger: Stranger) -> Mapping[str, object]:
    """What the client does where ``create_endpoint`` is given no other value."""
    policy = stranger.row.policy
    return {setting: policy[name] for name, setting in KNOBS.items() if name in policy} | dict(
        stranger.row.own
    )


def described(base: Mapping[str, Any], stranger: Stranger) -> dict[str, Any]:
    """The client's description under the row; ``base`` is its own, as JSON."""
    row = stranger.row
    lost = set(row.without)
    settings = set(base["settings"]) - _gone(_SETTINGS, lost) - set(row.pinned)
    methods, parameters = hidden_methods(stranger), _gone(_PARAMETERS, lost)
    told = {
        **base,
        "name": stranger.id,
        "capabilities": sorted(set(base["capabilities"]) - lost),
        "settings": [] if "*" in row.pinned else sorted(settings),
        "parameters": {
            method: sorted(set(names) - parameters)
            for method, names in base["parameters"].items()
            if method not in methods
        },
        "retry": _retry(base["retry"], stranger),
        "auxiliary": [AUXILIARY[habit] for habit in row.does if habit in AUXILIARY],
        "trims": "trims" in row.does,
        "full_queue": "wait" if "waits when full" in row.does else "refuse",
    }
    if "reqid" in lost:
        told["request_id_header"] = None
    if "breaker" in lost:
        told["breaker"] = None
    told["defaults"] = _defaults(base["defaults"], stranger)
    return told


def _defaults(base: Mapping[str, Any], stranger: Stranger) -> dict[str, Any]:
    row, parameters = stranger.row, base.get("parameters", {})
    told = {} if "defaults" in row.undeclared else dict(base)
    if "defaults" not in row.undeclared:
        told |= {name: value for setting, value in row.own.items() for name in _DEFAULTS[setting]}
    if "placeholder key" in row.does:
        told["placeholder_key"] = PLACEHOLDER
    if "default temperature" in row.does:
        parameters = {**parameters, "temperature": TEMPERATURE}
    return {**told, "parameters": parameters}


def _retry(base: Mapping[str, Any], stranger: Stranger) -> dict[str, Any] | None:
    unknown = stranger.row.undeclared
    if "retry" in unknown:
        return None
    whole = {**base, **stranger.row.policy}
    return {name: None if name in unknown else _plain(value) for name, value in whole.items()}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list | set | frozenset) else value
