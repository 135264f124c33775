"""What ``public_objects`` gives travels as what a user would see, not as its fields."""

from dataclasses import dataclass, field

from tgi_conformance.backends.host.encoding import Encoder, printed


@dataclass
class Settings:
    url: str
    key: str = field(repr=False)


def test_a_dataclass_that_hides_its_key_when_printed_does_not_show_it() -> None:
    (sent,) = Encoder().encode(printed([Settings("http://x", "the-key")]))

    assert "http://x" in sent["$object"]["repr"]
    assert "the-key" not in str(sent)


def test_a_mapping_that_shows_its_key_shows_it_still() -> None:
    (sent,) = Encoder().encode(printed({"key": "the-key"}))

    assert "the-key" in sent["$object"]["repr"]


def test_a_lone_object_is_a_list_of_one() -> None:
    assert len(Encoder().encode(printed("client"))) == 1
