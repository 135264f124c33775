"""The command that runs one case again."""

import shlex

from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.run import RunInfo


def repro_command(info: RunInfo, verdict: Verdict) -> str:
    """``tgi-conformance run --backend SPEC --case ID --seed N``, quoted for a POSIX shell."""
    backend = info.backend(verdict.backend)
    seed = info.seed if verdict.seed is None else verdict.seed
    profile = ["--profile", info.profile] if info.profile != "default" else []
    network = ["--allow-network"] if backend.allow_network else []
    words = ["tgi-conformance", "run", "--backend", backend.spec or backend.name]
    return shlex.join([*words, *network, *profile, "--case", verdict.case, "--seed", str(seed)])
