"""What the driver tells of the backend's process beside its calls: census, environment, prints, its end."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tgi_conformance.backends.driver.driver import BackendGoneError, Driver
from tgi_conformance.backends.driver.spec import parse_backend

ADAPTERS = Path(__file__).parents[1] / "adapters"


@pytest.fixture
def echo() -> Iterator[Driver]:
    with Driver.start(parse_backend(f"{ADAPTERS / 'echo.py'}:Echo")) as driver:
        yield driver


def act(driver: Driver, what: str, prompt: str = "x") -> None:
    assert driver.run("generate", {"prompt": prompt, "act": what}).ending == "answer"


def test_warnings_and_logs_of_all_levels_are_kept_until_the_census(echo: Driver) -> None:
    for _ in range(2):
        outcome = echo.run("generate", {"prompt": "api", "act": "warn"})
        assert outcome.warnings == ("DeprecationWarning: old api",)
    census = echo.census()
    assert census.warnings == ("DeprecationWarning: old api",) * 2
    logs = [record for record in census.logs or () if record.logger == "echo.wire"]
    assert [(record.level, record.text) for record in logs] == [(10, "said api")] * 2
    assert echo.census().logs == ()


def test_libraries_below_a_client_are_kept_from_info_on_unless_it_asks_them_for_more(echo: Driver) -> None:
    echo.census()
    act(echo, "log_of_libraries")
    assert [(record.logger, record.text) for record in echo.census().logs or ()] == [
        ("httpx", "said x"),
        ("httpcore.http11", "said x"),
        ("urllib3.pool", "asked for x"),
    ]


def test_idle_host_counts_nothing_of_its_own(echo: Driver) -> None:
    before = echo.census()
    assert (before.threads, before.tasks, before.sockets) == ((), (), 0)
    echo.run("chat", {"messages": [{"content": "x"}]})
    for _ in range(3):
        echo.run("generate", {"prompt": "x"}, stream=True)
    after = echo.census()
    assert (after.threads, after.tasks, after.sockets) == ((), (), 0)
    assert after.descriptors == before.descriptors


def test_threads_tasks_and_sockets_left_behind_are_counted(echo: Driver) -> None:
    before = echo.census().descriptors or 0
    act(echo, "keep")
    echo.run("chat", {"messages": [{"content": "x"}], "act": "task"})
    census = echo.census()
    assert census.threads == ("kept",)
    assert len(census.tasks or ()) == 1
    assert (census.sockets, census.descriptors) == (1, before + 1)


def test_garbage_counts_no_more_once_it_is_collected(echo: Driver) -> None:
    before = echo.census().descriptors or 0
    act(echo, "garbage")
    assert echo.census(collect=False).descriptors == before + 1
    assert echo.census().descriptors == before


def test_connects_and_look_ups_are_seen(echo: Driver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        act(echo, "connect", where)
        act(echo, "connect", where)
    census = echo.census()
    assert census.connects == (where,)
    assert census.lookups == ("127.0.0.1",)


def test_blocked_event_loop_shows_as_a_gap_between_ticks(echo: Driver) -> None:
    assert echo.census().tick_gap is None
    echo.run("chat", {"messages": [{"content": "x"}], "act": "block"})
    assert (echo.census().tick_gap or 0) >= 0.1


def test_environment_is_scrubbed_and_home_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "https_proxy", "HF_TOKEN", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    spec = parse_backend(f"{ADAPTERS / 'surroundings.py'}:Surroundings")
    with Driver.start(spec, env={"NO_PROXY": "127.0.0.1"}) as driver:
        seen = driver.run("get_stats").value
    assert isinstance(seen, dict)
    assert set(seen["environ"]) <= {
        "PATH",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TMPDIR",
        "TZ",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "PYTHONPATH",
        "HOME",
        "NO_PROXY",
        "__CF_USER_TEXT_ENCODING",
    }
    assert seen["environ"]["NO_PROXY"] == "127.0.0.1"
    assert seen["home"] == []
    assert not Path(seen["environ"]["HOME"]).exists()


def test_host_leads_a_session_of_its_own_and_reads_no_input() -> None:
    spec = parse_backend(f"{ADAPTERS / 'surroundings.py'}:Surroundings")
    with Driver.start(spec) as driver:
        seen = driver.run("get_stats").value
    assert isinstance(seen, dict)
    assert seen["session"] == seen["pid"] != os.getsid(0)
    assert seen["input"] == ""
    assert str(Path.cwd()) in seen["path"]
    assert str(ADAPTERS.parent.parent / "backends") not in seen["path"]


def test_output_since_a_mark_leaves_out_what_came_before(echo: Driver) -> None:
    act(echo, "warn", "first")
    mark = echo.mark_output()
    act(echo, "warn", "second")
    assert echo.output_since(mark) == "printed second\n"
    assert echo.output() == "printed first\nprinted second\n"


def test_restart_gives_a_fresh_process(echo: Driver) -> None:
    before = echo.pid
    call = echo.call("generate", {"prompt": "x", "act": "block"})
    echo.restart()
    assert call.wait(5).ending == "crash"
    assert (echo.generation, echo.pid != before) == (1, True)
    assert echo.run("generate", {"prompt": "again"}).text == "again"


def test_close_lets_the_interpreter_end_by_itself_and_may_be_repeated() -> None:
    driver = Driver.start(parse_backend(f"{ADAPTERS / 'echo.py'}:Echo"))
    ended = driver.close()
    assert (ended.status, ended.killed) == (0, False)
    assert driver.close() == ended
    with pytest.raises(RuntimeError, match="closed"):
        driver.run("generate", {"prompt": "x"})


def test_thread_that_keeps_the_interpreter_shows_at_close() -> None:
    driver = Driver.start(parse_backend(f"{ADAPTERS / 'faulty.py'}:Lingers"))
    driver.run("generate", {"prompt": "x"})
    assert driver.census().threads is not None
    assert driver.close(grace=0.2).killed


def test_census_of_a_host_that_ends_meanwhile_says_so() -> None:
    spec = parse_backend(command=f"{sys.executable} {ADAPTERS / 'bare_host.py'} mute")
    with Driver.start(spec) as driver, pytest.raises(BackendGoneError, match=r"no reply within 0\.05 s"):
        driver.census(deadline=0.05)
