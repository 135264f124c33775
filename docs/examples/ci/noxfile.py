"""noxfile.py, or a part of it: nox -s conformance."""

import nox


@nox.session
def conformance(session: nox.Session) -> None:
    """Judge the client on the wire."""
    session.install(".", "tgi-conformance")
    session.run("tgi-conformance", "run", "--backend", "conformance_adapter:Adapter", *session.posargs)
