"""Where Hypothesis keeps its tables: in the run's own folder, not as ``.hypothesis/`` in the user's."""

import os
from pathlib import Path
from typing import Final

from hypothesis.configuration import set_hypothesis_home_dir

#: The variable with which a user says where; it takes precedence.
CHOSEN_BY_USER: Final = "HYPOTHESIS_STORAGE_DIRECTORY"


def keep_in(scratch: Path) -> None:
    """Have Hypothesis write below the run's scratch folder, which is removed at the end of the run.

    The suites keep no examples there. What is written is a table of Unicode's categories: a third of a second
    to make, once a run.
    """
    if not os.environ.get(CHOSEN_BY_USER):
        set_hypothesis_home_dir(scratch / "hypothesis")
