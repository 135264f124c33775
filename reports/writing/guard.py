"""The one place where what a writer raises is caught: said in one line, and the run goes on."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: What the user can do about what the file system refused.
ADVICE: Final = "make room or give permission there, or choose another folder for the results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritten:
    """Something of a run that could not be written."""

    #: Which: a file, or what was to be done.
    what: str
    why: str
    #: What the user can do about it.
    advice: str

    def __str__(self) -> str:
        return f"{self.what} could not be written: {self.why}; {self.advice}"


def attempt(what: str | Path, write: Callable[[], object]) -> tuple[Unwritten, ...]:
    """Do it; whatever it raises is told, not raised. Ctrl-C goes through."""
    try:
        write()
    except OSError as error:
        why = error.strerror or str(error) or type(error).__name__
        return (Unwritten(what=str(what), why=why, advice=ADVICE),)
    except Exception as error:  # noqa: BLE001 - a defect of one format must not cost the run or another format
        return (_defect(what, error),)
    return ()


def _defect(what: str | Path, error: Exception) -> Unwritten:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return Unwritten(
        what=str(what),
        why=f"{said}{place}",
        advice="this is a defect of the kit: please report it with this line",
    )
