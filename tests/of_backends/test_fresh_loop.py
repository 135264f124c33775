"""A call may ask for a fresh event loop: the one before ends as that of a program does."""

from pathlib import Path

import pytest

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.spec import parse_backend

ROOT = Path(__file__).parents[2]
LOOPS = ROOT / "tests" / "adapters" / "loops.py"
MESSAGES = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize("inproc", [False, True], ids=["child", "inproc"])
def test_a_fresh_loop_follows_one_that_has_ended(inproc: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    with Driver.start(parse_backend(f"{LOOPS}:TellsItsLoop"), inproc=inproc) as driver:
        assert driver.fresh_loop
        assert driver.run("chat", MESSAGES).text == "1 loops, 0 closed, task alive"
        assert driver.run("chat", MESSAGES, fresh_loop=True).text == "2 loops, 1 closed, task cancelled"
        assert driver.run("chat", MESSAGES, stream=True).text == "2 loops, 1 closed, task cancelled"
        assert driver.run("chat", MESSAGES, stream=True, fresh_loop=True).text.startswith("3 loops, 2 closed")
        assert driver.census().tick_gap is not None


def test_a_call_under_way_ends_with_its_loop() -> None:
    with Driver.start(parse_backend(f"{ROOT / 'tests' / 'adapters' / 'echo.py'}:Echo")) as driver:
        waiting = driver.call("chat", MESSAGES | {"act": "sleep"})
        assert not waiting.wait_done(0.05)

        assert driver.run("chat", MESSAGES, fresh_loop=True).returned

        assert "CancelledError" in waiting.wait(5.0).exception[0].type


def test_a_host_in_another_language_does_not_offer_it() -> None:
    node = ROOT / "docs" / "examples" / "node" / "adapter.mjs"
    try:
        driver = Driver.start(parse_backend(command=f"node {node}"))
    except Exception as error:  # noqa: BLE001 - there is no node here
        pytest.skip(f"the Node example does not start: {error}")
    with driver:
        assert not driver.fresh_loop
        assert isinstance(driver.census().memory, int)
