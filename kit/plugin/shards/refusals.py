"""What cannot go together on several machines, and why."""

from collections.abc import Iterator

import pytest

#: How xdist's specifications of workers on another machine begin, behind a count such as ``2*``.
_REMOTE = ("ssh=", "socket=", "vagrant_ssh=")


def refuse(config: pytest.Config, *, real: bool) -> None:
    """Raise ``pytest.UsageError`` for options that exclude each other, before anything is begun."""
    for problem in _problems(config, real=real):
        raise pytest.UsageError(problem)


def remote_workers(config: pytest.Config) -> list[str]:
    """Workers of xdist on other machines, as ``--tx`` names them."""
    words = [str(word) for word in getattr(config.option, "tx", None) or ()]
    return [word for word in words if word.rpartition("*")[2].startswith(_REMOTE)]


def _problems(config: pytest.Config, *, real: bool) -> Iterator[str]:
    if real and config.option.tgi_shard:
        yield (
            "--shard and TGI_ENDPOINT exclude each other: each shard would have the whole budget of requests "
            "and tokens; run all cases from one machine"
        )
    if not (remote := remote_workers(config)):
        return
    if real:
        yield (
            f"--tx {remote[0]} and TGI_ENDPOINT exclude each other: the process that holds the real keys "
            "can be reached on this machine alone; run all cases from one machine"
        )
    if config.option.tgi_budget_seconds is not None:
        yield (
            f"--tx {remote[0]} and --budget-seconds exclude each other: the clocks of two machines differ; "
            "use --shard"
        )
