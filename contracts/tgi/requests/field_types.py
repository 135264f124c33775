"""The types that fields of a request body can have, as serde derives them for TGI.

They are data: :mod:`~tgi_conformance.contracts.tgi.requests.request_types` says which field has which,
:mod:`~tgi_conformance.contracts.tgi.requests.fitting` holds values to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

#: The place that an error names: of a value, its start or its end; or the end of the object around it.
Where: TypeAlias = Literal["start", "end", "after"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A boolean, string or number; ``nullable`` fields also take null (an Option in TGI)."""

    expected: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list."""

    item: "Type"
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Struct:
    """An object (or, as serde takes it too, its fields as a list in order). Unknown keys are ignored."""

    name: str
    fields: Mapping[str, "Type"]
    required: tuple[str, ...] = ()
    #: Other name -> name.
    aliases: Mapping[str, str] = field(default_factory=dict)
    nullable: bool = False
    #: How many fields a list needs; the rest take their defaults.
    least_listed: int = 0
    #: A choice whose fields stand among the struct's own (serde's ``flatten``), read beside them.
    flattened: "OneOf | None" = None
    #: Python types whose values fit a field as they are, by field; and the fields that small integers fit.
    plain: Mapping[str, frozenset[type]] = field(init=False, repr=False, compare=False)
    small: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what of a value needs no closer look."""
        plain = {name: plain_types(kind) for name, kind in self.fields.items()}
        integers = {n for n, kind in self.fields.items() if getattr(kind, "expected", None) in RANGES}
        object.__setattr__(self, "plain", plain)
        object.__setattr__(self, "small", frozenset(integers))


@dataclass(frozen=True, slots=True)
class OneOf:
    """An untagged choice: the first type that fits; if none does, serde names the choice only."""

    name: str
    options: tuple["Type", ...]
    nullable: bool = False
    #: The message for an empty list, where TGI has one of its own.
    empty: str | None = None
    #: Where a value is placed that fits no option: "after" in a field, "end" where it is flattened.
    misfit_at: Where = "after"


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object whose ``type`` says what its ``value`` is."""

    values: Mapping[str, "Type"]
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON value."""

    nullable: bool = True


Type: TypeAlias = Scalar | ListOf | Struct | OneOf | Tagged | Anything

RANGES: Final = {
    "u32": (0, 2**32 - 1),
    "u64": (0, 2**64 - 1),
    "usize": (0, 2**64 - 1),
    "i32": (-(2**31), 2**31 - 1),
}
#: What is not below zero nor beyond this fits every integer type.
SMALL: Final = 2**31 - 1
_PLAIN: Final[Mapping[str, frozenset[type]]] = {
    "a boolean": frozenset({bool}),
    "a string": frozenset({str}),
    "f32": frozenset({int, float}),
}


def plain_types(kind: Type) -> frozenset[type]:
    """The Python types whose values fit a type as they are."""
    if isinstance(kind, Scalar):
        fitting = _PLAIN.get(kind.expected, frozenset())
    else:
        fitting = plain_types(kind.options[0]) if isinstance(kind, OneOf) else frozenset()
    return fitting | {type(None)} if kind.nullable else fitting
