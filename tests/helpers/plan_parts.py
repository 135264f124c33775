"""Generated parts and deliveries of an answer, and the payload read back out of its chunks."""

from hypothesis import strategies as st

from tgi_conformance.contracts.script import Delivery, Hold, Pause

parts = st.lists(st.binary(min_size=1, max_size=12), max_size=6).map(tuple)
offsets = st.lists(st.integers(0, 80), max_size=5).map(lambda items: tuple(sorted(set(items))))
splits = st.one_of(st.sampled_from(["events", "whole", "bytes"]), offsets)
pauses = st.lists(st.builds(Pause, before=st.integers(0, 80), ms=st.just(1.0)), max_size=3).map(tuple)
holds = st.lists(
    st.one_of(
        st.builds(Hold, gate=st.just("g"), byte=st.integers(0, 80)),
        st.builds(Hold, gate=st.just("g"), event=st.integers(0, 8)),
        st.builds(Hold, gate=st.just("g"), before=st.sampled_from(["head", "end"])),
    ),
    max_size=4,
).map(tuple)
deliveries = st.builds(
    Delivery, splits=splits, pauses=pauses, holds=holds, event_gap_ms=st.sampled_from([0.0, 1.0])
)


def payload(body: bytes) -> tuple[bytes, bool]:
    """The payload of a chunked body, and whether its last chunk is there."""
    data = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        count = int(size, 16)
        if count == 0:
            assert rest == b"\r\n"
            return data, True
        data += rest[:count]
        assert rest[count : count + 2] == b"\r\n"
        body = rest[count + 2 :]
    return data, False
