"""Drafts of issues for the authors of published clients, and whether their reproducers still show the defect.

A page of ``docs/field-notes/drafts/`` holds drafts for one client. A draft is a section with a heading of
level two, its title. It has one fenced block ``python`` or ``js``, the reproducer; one fenced block ``text``,
what the reproducer printed; and paragraphs that begin with the labels in :data:`LABELS`. A reproducer needs
the client and the standard library, talks to servers of its own on loopback, ends by itself in seconds, and
prints ``wrong: …`` and exits with 1 while the defect is there, ``right`` and 0 once it is not.

``python tests/drafts.py --client huggingface_hub --python hub/bin/python`` runs the blocks of one page with
the client's interpreter; with ``--node-modules DIR``, those in JavaScript. Its exit code is 0 if each block
prints what its draft quotes.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "field-notes" / "drafts"
LABELS = ("What happens.", "What should happen.", "Source.", "Place.")
LANGUAGES = ("python", "js")
#: Seconds after which a reproducer is taken not to end by itself.
PATIENCE = 60
#: Seconds that the limit in a reproducer may give it.
LONGEST_LIMIT = 30

_READER = MarkdownIt("commonmark")
_PLACE = re.compile(r"[\w./@-]+\.(?:py|js|mjs|cjs|ts):\d+")
_SOURCE = re.compile(r"https?://|RFC \d+")
_ADDRESS = re.compile(r"\b\w+://(?:[^/\s\"'`]*@)?(\[[^\]]*\]|\{[^}]*\}|[^/:\s\"'`]*)")
_LOOPBACK = re.compile(r"127\.0\.0\.1|localhost|\[::1\]|\$?\{.*\}")
#: Other than loopback: all interfaces, and any IPv4 address that does not begin with 127.
_ELSEWHERE = re.compile(r"(?<![\w.])(?!127\.)\d{1,3}(?:\.\d{1,3}){3}(?![\w.])|[\"']::[\"']")
_JS_LIMIT = re.compile(r"setTimeout\((?P<what>.*?),\s*(?P<after>[\d_]+)\s*\)", re.DOTALL)
_JS_LISTENS = re.compile(r"\.listen\((?P<given>[^)]*)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One section of a page: what of it is checked."""

    client: str
    title: str
    #: Paragraphs and items, as text.
    paragraphs: tuple[str, ...]
    #: ``(language, text)`` of each fenced block.
    blocks: tuple[tuple[str, str], ...]

    @property
    def reproducers(self) -> tuple[tuple[str, str], ...]:
        """The blocks that can be run."""
        return tuple(block for block in self.blocks if block[0] in LANGUAGES)

    @property
    def quoted(self) -> str:
        """What the reproducer printed when the draft was written; nothing: ""."""
        return "".join(text for language, text in self.blocks if language == "text").strip()

    def said_of(self, label: str) -> str:
        """The paragraph under a label, without it; nothing: ""."""
        found = (text for text in self.paragraphs if text.startswith(label))
        return next(found, "").removeprefix(label).strip()


def drafts_in(page: Path) -> Iterator[Draft]:
    """The drafts of a page, in its order."""
    title, paragraphs, blocks = "", list[str](), list[tuple[str, str]]()
    tokens = _READER.parse(page.read_text(encoding="utf-8"))
    for number, token in enumerate(tokens):
        before = tokens[number - 1]
        if token.type == "inline" and before.type == "heading_open" and before.tag in ("h1", "h2"):
            if title:
                yield _draft(page, title, paragraphs, blocks)
            title, paragraphs, blocks = (token.content if before.tag == "h2" else ""), [], []
        elif token.type == "inline":
            paragraphs.append(token.content.replace("**", ""))
        elif token.type == "fence":
            blocks.append((token.info.strip(), token.content))
    if title:
        yield _draft(page, title, paragraphs, blocks)


def _draft(page: Path, title: str, paragraphs: list[str], blocks: list[tuple[str, str]]) -> Draft:
    return Draft(client=page.stem, title=title, paragraphs=tuple(paragraphs), blocks=tuple(blocks))


def problems_with(draft: Draft) -> list[str]:
    """What the draft lacks, and what its reproducer must not be; nothing is run."""
    problems = [f"nothing stands under {label!r}" for label in LABELS if not draft.said_of(label)]
    if not _PLACE.search(draft.said_of("Place.")):
        problems.append("the place names no file and line of the client")
    if not _SOURCE.search(draft.said_of("Source.")):
        problems.append("the source is neither an address nor an RFC")
    if not any(line.startswith("wrong: ") for line in draft.quoted.splitlines()):
        problems.append("no block `text` quotes the line `wrong: …` that the reproducer printed")
    if len(draft.reproducers) != 1:
        return [*problems, f"{len(draft.reproducers)} blocks are python or js; one is the reproducer"]
    language, code = draft.reproducers[0]
    problems += [f"names {host or 'no host'}" for host in _hosts(code) if not _LOOPBACK.fullmatch(host)]
    problems += [f"names {found}" for found in _ELSEWHERE.findall(code)]
    return problems + (_problems_of_python(code) if language == "python" else _problems_of_js(code))


def _hosts(code: str) -> list[str]:
    return _ADDRESS.findall(code)


def _problems_of_python(code: str) -> list[str]:
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        return [f"line {error.lineno} is no Python: {error.msg}"]
    nodes = list(ast.walk(tree))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    imported = {
        alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {(node.module or "").partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    every_interface = any(
        isinstance(node, ast.Tuple) and [getattr(part, "value", None) for part in node.elts[:1]] == [""]
        for call in calls
        for node in call.args
    )
    wanted = {
        "it imports no client": imported - sys.stdlib_module_names,
        "it prints no `wrong: …`": [text for text in texts if text.startswith("wrong: ")],
        "it prints no `right`": [text for text in texts if text.startswith("right")],
        "it exits with no code": {"exit", "_exit", "SystemExit"} & {_name(call) for call in calls},
        f"no limit of {LONGEST_LIMIT} s at most ends it": [call for call in calls if _is_limit(call)],
        "it listens on every interface": not every_interface,
    }
    return [problem for problem, found in wanted.items() if not found]


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_limit(call: ast.Call) -> bool:
    """Whether a call ends the process in time: an alarm, faulthandler's exit or a timer."""
    first = call.args[0] if call.args else None
    if not (isinstance(first, ast.Constant) and isinstance(first.value, int | float)):
        return False
    exits = any(
        word.arg == "exit" and isinstance(word.value, ast.Constant) and word.value.value is True
        for word in call.keywords
    )
    ends = _name(call) in ("alarm", "Timer") or (_name(call) == "dump_traceback_later" and exits)
    return ends and 0 < first.value <= LONGEST_LIMIT


def _problems_of_js(code: str) -> list[str]:
    limits = [
        found
        for found in _JS_LIMIT.finditer(code)
        if "exit" in found["what"] and int(found["after"].replace("_", "")) <= LONGEST_LIMIT * 1000
    ]
    listens = [found["given"] for found in _JS_LISTENS.finditer(code)]
    wanted = {
        "it prints no `wrong: …`": re.search(r"[\"'`]wrong: ", code),
        "it prints no `right`": re.search(r"[\"'`]right", code),
        "it exits with no code": re.search(r"process\.exit(?:Code)?\b", code),
        f"no limit of {LONGEST_LIMIT} s at most ends it": limits,
        "it listens on every interface": all(
            re.search(r"127\.0\.0\.1|::1|localhost", given) for given in listens
        ),
    }
    problems = [problem for problem, found in wanted.items() if not found]
    return problems + _said_by_node(code)


def _said_by_node(code: str) -> list[str]:
    node = shutil.which("node")
    if node is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "reproducer.mjs")
        file.write_text(code, encoding="utf-8")
        done = subprocess.run(
            [node, "--check", file], capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    return [f"node says {done.stderr.strip()}"] if done.returncode else []


@dataclass(frozen=True, slots=True)
class Shown:
    """What a run of a reproducer came to."""

    code: int | None
    printed: str
    said: str

    @property
    def state(self) -> str:
        """``wrong``: the defect is there; ``right``: it is not; ``broken``: neither was said."""
        lines = self.printed.splitlines()
        if self.code == 1 and any(line.startswith("wrong: ") for line in lines):
            return "wrong"
        return "right" if self.code == 0 and any(line.startswith("right") for line in lines) else "broken"


def show(draft: Draft, *, python: str = sys.executable, node_modules: Path | None = None) -> Shown:
    """Run the reproducer of a draft in a folder of its own, with little of this process's environment."""
    language, code = draft.reproducers[0]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "reproducer.py" if language == "python" else "reproducer.mjs")
        file.write_text(code, encoding="utf-8")
        if node_modules is not None:
            Path(folder, "node_modules").symlink_to(node_modules.resolve())
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": folder, "LC_ALL": "C.UTF-8"}
        # Not resolved: an environment's python is a link.
        program = python if language == "python" else "node"
        command = [os.path.abspath(shutil.which(program) or program), str(file)]  # noqa: PTH100 - the folder is another below
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                capture_output=True,
                encoding="utf-8",
                check=False,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return Shown(None, "", f"it had not ended after {PATIENCE} s")
    return Shown(done.returncode, done.stdout.strip(), done.stderr.strip())


def main(words: Sequence[str] | None = None) -> int:
    """Run the reproducers of one client, and say which still show their defect."""
    parser = argparse.ArgumentParser(prog="drafts.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--client", required=True, help="the name of a page in docs/field-notes/drafts")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has the client")
    parser.add_argument("--node-modules", type=Path, help="the folder with the client's packages of Node")
    given = parser.parse_args(words)
    page = FOLDER / f"{given.client}.md"
    if not page.is_file():
        parser.error(f"there is no {page.relative_to(ROOT)}")
    as_quoted = True
    for draft in drafts_in(page):
        shown = show(draft, python=given.python, node_modules=given.node_modules)
        same = shown.printed == draft.quoted
        as_quoted = as_quoted and shown.state == "wrong" and same
        print(f"{shown.state:6} {draft.title}")
        if shown.state == "broken":
            print(f"       exit code {shown.code}: {shown.printed} {shown.said}")
        elif not same:
            print(f"       prints {shown.printed!r}, and the draft quotes {draft.quoted!r}")
    return 0 if as_quoted else 1


if __name__ == "__main__":
    sys.exit(main())
