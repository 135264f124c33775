"""The pages of the project, and the commands of the kit in their blocks for a shell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from documented_commands import commands_in

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "field-notes").rglob("*.md")]
)
_FENCE: Final = "```"
#: Languages of blocks whose lines are typed into a shell.
_SHELLS: Final = ("", "bash", "sh", "console")


def shown(page: Path) -> list[tuple[str, ...]]:
    """The commands in a page's blocks; a line that ends with a backslash goes on."""
    text = "\n".join(_lines_of_code(page.read_text(encoding="utf-8")))
    return list(commands_in(text.replace("\\\n", " ").splitlines()))


def _lines_of_code(text: str) -> Iterator[str]:
    """The lines of a page's blocks for a shell, fenced or indented."""
    language = None
    for line in text.splitlines():
        if line.strip().startswith(_FENCE):
            language = line.strip().removeprefix(_FENCE) if language is None else None
        elif language in _SHELLS or (language is None and line.startswith("    tgi-conformance ")):
            yield line
