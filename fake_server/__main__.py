"""``python -m tgi_conformance.fake_server``."""

import sys

from tgi_conformance.fake_server.service.process import main

if __name__ == "__main__":
    sys.exit(main())
