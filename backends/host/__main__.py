"""Run as a script: ``python FOLDER``, with the protocol on standard input and output.

Python puts this folder at the head of ``sys.path``, where its modules would hide an adapter's own ``call`` or
``wire``. So the folder is taken off and loaded as one package, under a name that nobody else has.
"""

import importlib.util
import sys
from pathlib import Path

PACKAGE = "_tgi_conformance_host"


def main() -> None:
    """Load the host and serve."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if path and Path(path).resolve() != here]
    # Nothing is written beside the host; whether a backend's own modules are kept compiled is its affair.
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    spec = importlib.util.spec_from_file_location(
        PACKAGE, here / "__init__.py", submodule_search_locations=[str(here)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{here} cannot be loaded as a package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    host = importlib.import_module(f"{PACKAGE}.host")
    descriptors = importlib.import_module(f"{PACKAGE}.descriptors")
    sys.dont_write_bytecode = written
    host.Host(*descriptors.move_protocol()).serve()


if __name__ == "__main__":
    main()
