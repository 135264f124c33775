"""Run as a script by its path, with the protocol on standard input and output.

Python puts this folder at the head of ``sys.path``, where its modules would hide an adapter's own ``call`` or
``wire``. So the folder is taken off and loaded as one package, under a name that nobody else has.

Nothing is written beside the host. (``python FOLDER`` works too, but then Python itself, before any line of
ours, keeps this file compiled.)
"""

import importlib.util
import os
import sys

PACKAGE = "_tgi_conformance_host"


def main() -> None:
    """Load the host and serve."""
    here = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [path for path in sys.path if path and os.path.realpath(path) != here]
    # Whether a backend's own modules are kept compiled is its affair.
    unwritten, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{here} cannot be loaded as a package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    host = importlib.import_module(f"{PACKAGE}.host")
    descriptors = importlib.import_module(f"{PACKAGE}.descriptors")
    sys.dont_write_bytecode = unwritten
    host.Host(*descriptors.move_protocol()).serve()


if __name__ == "__main__":
    main()
