"""Where Hypothesis keeps its tables, and that it looks for constants in no module that is loaded."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.internal.conjecture import providers

#: The variable with which a user says where; it takes precedence.
CHOSEN_BY_USER: Final = "HYPOTHESIS_STORAGE_DIRECTORY"
#: What looks for constants in the loaded modules, in a Hypothesis that does so (since 6.131).
_LOOKS: Final = "_get_local_constants"


def keep_in(scratch: Path) -> None:
    """Have Hypothesis write below the run's scratch folder, which is removed at the end of the run.

    The suites keep no examples there. What is written is a table of Unicode's categories: a third of a second
    to make, once a run.
    """
    if not os.environ.get(CHOSEN_BY_USER):
        set_hypothesis_home_dir(scratch / "hypothesis")


class _Looking:
    """Whether Hypothesis looks through the loaded modules; cases of several threads may stop it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = 0
        self._looks: Any = None

    def stop(self) -> None:
        with self._lock:
            self._asked += 1
            if self._asked == 1 and hasattr(providers, _LOOKS):
                self._looks = getattr(providers, _LOOKS)
                found = vars(providers)["Constants"]()
                self._set(lambda: found)

    def go_on(self) -> None:
        with self._lock:
            self._asked -= 1
            if not self._asked and self._looks is not None:
                self._set(self._looks)

    @staticmethod
    def _set(looks: Any) -> None:
        setattr(providers, _LOOKS, looks)
        providers.CONSTANTS_CACHE.cache.clear()  # holds what was found, by kind


_LOOKING: Final = _Looking()


@contextmanager
def no_constants_of_modules() -> Iterator[None]:
    """Keep Hypothesis from mixing constants of loaded modules into its examples.

    It takes every module outside ``site-packages`` for the code under test: the kit itself where it is
    installed in editable form, and what a user's repository has loaded. So the examples of one seed differed
    by installation and by what had run before, and looking took each worker a second.
    """
    _LOOKING.stop()
    try:
        yield
    finally:
        _LOOKING.go_on()
