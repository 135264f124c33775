"""What ``--backend``, ``--backend-python`` and ``--backend-command`` name: how a host is started."""

import importlib.util
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: A folder; its ``__main__.py`` runs as a script.
HOST: Final = Path(__file__).parents[1] / "host"
KIT: Final = "tgi_conformance."


class BackendSpecError(ValueError):
    """A backend option that cannot be meant: says what, and what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSpec:
    """One face of one backend."""

    #: "package.module:Class" or "folder/file.py:Class"; may be empty with a command of its own.
    adapter: str
    #: The same as the user wrote it, for commands that people copy.
    given: str = ""
    #: Interpreter that runs the Python host.
    python: str = sys.executable
    #: Command that speaks the protocol itself; empty: the Python host.
    command: tuple[str, ...] = ()
    #: Folders put in front of the adapter's import path.
    path: tuple[str, ...] = ()
    #: Working folder of the child.
    folder: str = "."
    #: Whether the backend may leave this machine.
    allow_network: bool = False
    #: Variables of the child's environment, by name. Their values are nobody else's business.
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def label(self) -> str:
        """Short name for reports until the adapter has described itself."""
        return self.adapter or self.command_line

    @property
    def command_line(self) -> str:
        """``command`` as it may be given again."""
        return shlex.join(self.command)

    @property
    def foreign(self) -> bool:
        """Whether another interpreter or language runs the adapter."""
        return bool(self.command) or self.python != sys.executable

    @property
    def argv(self) -> tuple[str, ...]:
        """The child's command line."""
        return self.command or (self.python, "-u", "-X", "faulthandler", str(HOST / "__main__.py"))


def parse_backend(
    adapter: str = "", *, python: str | None = None, command: str | None = None, folder: Path | None = None
) -> BackendSpec:
    """Read the options; raises :class:`BackendSpecError`.

    ``adapter``: "module:Class" or "file.py:Class". ``command``: a shell-like line, as "node adapter.mjs".
    """
    folder = (folder or Path.cwd()).resolve()
    if command is not None:
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise BackendSpecError(f"--backend-command {command!r}: {error}") from error
        if not words:
            raise BackendSpecError("--backend-command is empty: give a program and its arguments")
        if python is not None:
            raise BackendSpecError(
                "--backend-python and --backend-command exclude each other: give one of them"
            )
        return BackendSpec(
            adapter=adapter, given=adapter, command=words, path=(str(folder),), folder=str(folder)
        )
    _check_form(adapter)
    interpreter = _interpreter(python)
    named = adapter if interpreter == sys.executable else _as_file(adapter)
    return BackendSpec(
        adapter=_absolute(named, folder),
        given=adapter,
        python=interpreter,
        path=(str(folder),),
        folder=str(folder),
    )


def _check_form(adapter: str) -> None:
    module, _, attribute = adapter.rpartition(":")
    named = module.endswith(".py") or all(part.isidentifier() for part in module.split("."))
    if not (module and named and all(part.isidentifier() for part in attribute.split("."))):
        raise BackendSpecError(
            f"--backend {adapter!r}: give package.module:Class or folder/file.py:Class, "
            "as in mypkg.adapter:MyAdapter"
        )


def _interpreter(python: str | None) -> str:
    if python is None:
        return sys.executable
    path = Path(python).expanduser()
    if not path.is_file():
        raise BackendSpecError(
            f"--backend-python {python!r}: no such file; give the path of a Python 3.9 or later"
        )
    # Not resolved: an environment's python is a link, and which link it is decides its packages.
    return str(path.absolute())


def _absolute(adapter: str, folder: Path) -> str:
    where, _, attribute = adapter.rpartition(":")
    return f"{folder / where}:{attribute}" if where.endswith(".py") else adapter


def _as_file(adapter: str) -> str:
    """Name an adapter of the kit's by its file: another interpreter does not hold the kit."""
    module, _, attribute = adapter.rpartition(":")
    if not module.startswith(KIT):
        return adapter
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise BackendSpecError(f"--backend {adapter!r}: this kit has no module {module}")
    return f"{spec.origin}:{attribute}"
