"""Commands of the kit as documents and CI files show them, and whether the command line takes them."""

import re
import shlex
from collections.abc import Iterable, Iterator

import click

from tgi_conformance.cli import cli

#: How a command is begun; what stands before it in a line is a prompt, a variable or another command.
_START = re.compile(r"(?:^|(?<=[\s&|;(`$]))tgi-conformance (?=[a-z])")
#: What ends a command in a line of a shell.
_ENDS = frozenset({"|", "||", "&&", ";", "&", ">", ">>", "<", "2>", "2>&1"})


def commands_in(lines: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """The words of each command of the kit, without its own name."""
    for line in lines:
        for found in _START.finditer(line):
            yield tuple(_words(line[found.end() :]))


def _words(text: str) -> Iterator[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for word in lexer:
        if word in _ENDS:
            return
        yield word


def problem_with(words: tuple[str, ...], group: click.Group = cli) -> str:
    """What the command line would say against these words; nothing: "". No command is called."""
    name, *rest = words or ("",)
    try:
        command = group.get_command(click.Context(group), name)
        if command is None:
            return f"there is no command {name!r}"
        if isinstance(command, click.Group):
            return problem_with(tuple(rest), command)
        command.make_context(name, list(rest))
    except click.exceptions.Exit:  # --help
        return ""
    except click.ClickException as error:
        return error.format_message()
    return ""
