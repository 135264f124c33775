"""``python -m tgi_conformance.fake_server.egress``."""

import sys

from tgi_conformance.fake_server.egress.process import main

if __name__ == "__main__":
    sys.exit(main())
