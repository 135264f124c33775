"""The marker that ties a test to its clause."""

import pytest

clause = pytest.mark.clause
#: The case's verdict rests on waits; it does not run beside a case that loads the machine.
timing = pytest.mark.timing
#: The case loads the machine; it runs alone.
load = pytest.mark.load
#: The case mostly waits and uses no fixture but ``case``: a long run plays it before its turn, beside others.
ahead = pytest.mark.ahead
