"""The types that fields of a request body can have, as serde derives them for TGI.

They are data: :mod:`~tgi_conformance.contracts.tgi.requests.request_types` says which field has which,
:mod:`~tgi_conformance.contracts.tgi.requests.reading` reads a text as one of them, as serde does, and
:mod:`~tgi_conformance.contracts.tgi.requests.fitting` is the short way for values that plainly fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias


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
    #: Fields that may be missing from an object, but not from a list: an Option without a default.
    listed: tuple[str, ...] = ()
    #: A choice whose fields stand among the struct's own (serde's ``flatten``), read beside them.
    flattened: "OneOf | None" = None
    #: Whether any other key belongs to the struct, too (a flattened map).
    open: bool = False
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


@dataclass(frozen=True, slots=True)
class Variant:
    """An object whose ``type`` says which fields stand beside it (serde: internally tagged)."""

    name: str
    variants: Mapping[str, Struct]
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object whose ``type`` says what its ``value`` is (serde: adjacently tagged)."""

    name: str
    values: Mapping[str, "Type"]
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON value, null too."""

    nullable: bool = True


Type: TypeAlias = Scalar | ListOf | Struct | OneOf | Variant | Tagged | Anything

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
