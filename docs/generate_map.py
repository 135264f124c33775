"""Write the map of the package: every folder, its modules, and the first line of each.

python docs/generate_map.py            # writes docs/map.md
python docs/generate_map.py --print    # prints it
python docs/generate_map.py --check    # exits with 1 where the page is not up to date
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "map.md"
#: The rooms from the ground up.
ROOMS: Final = ("contracts", "fake_server", "backends", "reports", "suites", "kit")
_HEAD: Final = """# Map

Every folder of the package `tgi_conformance`, from the ground up, and its modules by their own first lines.
`kit/` is the package itself. Made by `python docs/generate_map.py`.
"""


def folders() -> Iterator[Path]:
    """The folders that hold modules, each room before the next, a folder before those inside it."""
    for room in ROOMS:
        yield from sorted({file.parent for file in (ROOT / room).rglob("*.py")})


def first_line(module: Path) -> str:
    """The first line of a module's docstring; raises ValueError where it has none."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    if not text:
        raise ValueError(f"{module.relative_to(ROOT)}: a docstring that says what is in here is needed")
    return text.partition("\n")[0]


def the_map() -> str:
    """The page."""
    return "\n".join([_HEAD, *(line for folder in folders() for line in _folder(folder))])


def _folder(folder: Path) -> Iterator[str]:
    yield f"## {folder.relative_to(ROOT)}/"
    yield ""
    yield first_line(folder / "__init__.py")
    yield ""
    modules = [module for module in sorted(folder.glob("*.py")) if module.name != "__init__.py"]
    if modules:
        yield "| module | |"
        yield "|---|---|"
        yield from (f"| `{module.stem}` | {first_line(module)} |" for module in modules)
        yield ""


def main(arguments: list[str]) -> int:
    """Write the page; ``--print`` shows it, ``--check`` says whether it is up to date."""
    right = the_map()
    if arguments == ["--print"]:
        sys.stdout.write(right)
        return 0
    if arguments == ["--check"]:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == right
        sys.stdout.write("up to date\n" if same else f"run: python docs/{Path(__file__).name}\n")
        return int(not same)
    PAGE.write_text(right, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
