"""The drafts for authors of published clients: each is whole, and its reproducer is what it must be.

The clients are not installed here. Whether a reproducer still shows its defect is told by
``python tests/drafts.py``, of which the way is tried with pages of our own.
"""

import sys
from pathlib import Path

import drafts
import pytest
from drafts import FOLDER, Draft, drafts_in, main, problems_with, show

PAGES = sorted(FOLDER.glob("*.md"))
DRAFTS = [draft for page in PAGES for draft in drafts_in(page)]

PYTHON = """\
import signal
import sys
from json_client import Client

signal.alarm(20)
print("right: all is well")
print("wrong: it is not well")
sys.exit(Client("http://127.0.0.1:80").code)
"""
JS = """\
import { Client } from "json-client";
setTimeout(() => process.exit(2), 10_000);
server.listen(0, "127.0.0.1");
console.log(new Client("http://localhost").ok ? "right" : `wrong: ${code}`);
process.exit(1);
"""
PAGE = """\
# Drafts

## A title

```{language}
{code}```

```text
{quoted}
```

**What happens.** This.

**What should happen.** That.

**Source.** RFC 9112, section 8.

**Place.** `json_client/client.py:7`: there.
"""


def written(
    folder: Path, code: str = PYTHON, *, language: str = "python", quoted: str = "wrong: it is not well"
) -> Path:
    file = folder / "json_client.md"
    file.write_text(PAGE.format(language=language, code=code, quoted=quoted), encoding="utf-8")
    return file


def only(file: Path) -> Draft:
    (draft,) = drafts_in(file)
    return draft


def test_there_are_pages() -> None:
    assert PAGES


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_page_has_the_three_worst_defects_of_a_client(page: Path) -> None:
    assert sum(draft.client == page.stem for draft in DRAFTS) == 3


@pytest.mark.parametrize("draft", DRAFTS, ids=[f"{draft.client}: {draft.title}" for draft in DRAFTS])
def test_a_draft_is_whole_and_its_reproducer_is_harmless(draft: Draft) -> None:
    assert problems_with(draft) == []


def test_the_parts_of_a_draft_are_found(tmp_path: Path) -> None:
    draft = only(written(tmp_path))
    assert (draft.client, draft.title) == ("json_client", "A title")
    assert draft.reproducers == (("python", PYTHON),)
    assert draft.said_of("What should happen.") == "That."
    assert problems_with(draft) == []
    assert problems_with(only(written(tmp_path, JS, language="js"))) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("**What should happen.** That.", "That.", "nothing stands under 'What should happen.'"),
        ("**Source.** RFC 9112, section 8.", "**Source.** Common sense.", "neither an address nor an RFC"),
        ("client.py:7", "client.py", "no file and line"),
        ("wrong: it is not well\n```", "It failed.\n```", "no block `text` quotes"),
        ("```python", "```", "0 blocks are python or js"),
        ("```text", "```js", "2 blocks are python or js"),
        ("import sys\n", "import sys as\n", "line 2 is no Python"),
        ("from json_client", "from json", "it imports no client"),
        ('print("wrong: it is not well")', 'print("it is not well")', "it prints no `wrong: …`"),
        ('print("right: all is well")', 'print("all is well")', "it prints no `right`"),
        ("sys.exit(", "print(", "it exits with no code"),
        ("signal.alarm(20)", "signal.alarm(600)", "no limit of 30 s"),
        ("signal.alarm(20)", "faulthandler.dump_traceback_later(20)", "no limit of 30 s"),
        ("http://127.0.0.1:80", "http://example.org/", "names example.org"),
        ("http://127.0.0.1:80", "http://127.0.0.1@example.org/", "names example.org"),
        ('"http://127.0.0.1:80"', '("0.0.0.0", 80)', "names 0.0.0.0"),
        ('"http://127.0.0.1:80"', '("", 80)', "it listens on every interface"),
    ],
)
def test_what_a_draft_lacks_is_told(tmp_path: Path, old: str, new: str, problem: str) -> None:
    file = written(tmp_path)
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace(old, new), encoding="utf-8")
    said = problems_with(only(file))
    assert any(problem in each for each in said)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("10_000", "60_000", "no limit of 30 s"),
        ("`wrong: ${code}`", "code", "it prints no `wrong: …`"),
        ('"right"', '"well"', "it prints no `right`"),
        ('listen(0, "127.0.0.1")', "listen(0)", "it listens on every interface"),
        ("http://localhost", "http://10.0.0.1", "names 10.0.0.1"),
    ],
)
def test_what_a_draft_in_javascript_lacks_is_told(tmp_path: Path, old: str, new: str, problem: str) -> None:
    said = problems_with(only(written(tmp_path, JS.replace(old, new), language="js")))
    assert any(problem in each for each in said)


def test_node_is_asked_whether_a_reproducer_parses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho 'SyntaxError: no' >&2\nexit 1\n", encoding="utf-8")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert problems_with(only(written(tmp_path, JS, language="js"))) == ["node says SyntaxError: no"]


@pytest.mark.parametrize(
    ("ending", "state"),
    [
        ('print("wrong: a"); sys.exit(1)', "wrong"),
        ('print("right: a"); sys.exit(0)', "right"),
        ('print("wrong: a"); sys.exit(0)', "broken"),
        ('print("right: a"); sys.exit(1)', "broken"),
        ("sys.exit(1)", "broken"),
        ("import no_such_client", "broken"),
        ("signal.raise_signal(signal.SIGALRM)", "broken"),
    ],
)
def test_a_run_tells_whether_the_defect_is_there(tmp_path: Path, ending: str, state: str) -> None:
    draft = only(written(tmp_path, f"import signal\nimport sys\n{ending}\n"))
    assert show(draft).state == state


def test_the_interpreter_may_be_given_relative_to_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(tmp_path, "python").symlink_to(sys.executable)
    draft = only(written(tmp_path, "import sys\nprint('right')\nprint(sys.executable, file=sys.stderr)\n"))
    monkeypatch.chdir(tmp_path)
    shown = show(draft, python="./python")
    assert (shown.state, shown.said) == ("right", str(tmp_path / "python"))


def test_the_command_compares_what_is_printed_with_what_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(drafts, "FOLDER", tmp_path)
    code = "import sys\nprint('wrong: it is not well')\nsys.exit(1)\n"
    words = ["--client", "json_client", "--python", sys.executable]
    written(tmp_path, code)
    assert main(words) == 0
    assert capsys.readouterr().out == "wrong  A title\n"
    written(tmp_path, code, quoted="wrong: it is otherwise")
    assert main(words) == 1
    assert "the draft quotes 'wrong: it is otherwise'" in capsys.readouterr().out
    written(tmp_path, "print('right')\n")
    assert main(words) == 1
    assert capsys.readouterr().out.startswith("right  A title")
