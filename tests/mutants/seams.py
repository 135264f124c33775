"""How the broken backends of this folder are made: the reference client with one of its parts exchanged.

Each runs in a process of its own, so a part is exchanged where it stands and never put back.
"""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from tgi_conformance.backends.reference.adapter import ReferenceAdapter


def exchange(owner: Any, name: str, made_of: Callable[[Any], Any]) -> None:
    """Put what ``made_of`` makes of the right part in that part's place."""
    setattr(owner, name, made_of(getattr(owner, name)))


class Broken(ReferenceAdapter):
    """A backend with one realistic mistake, which its docstring names.

    ``breaks`` is the clause that must turn red, ``key`` the results key that turns Failed with it.
    """

    breaks: ClassVar[str]
    key: ClassVar[str]

    def __init__(self) -> None:
        self.damage()
        super().__init__()

    def damage(self) -> None:
        """Exchange a part of the client."""


class BrokenCalls(Broken):
    """A mistake in what the adapter's calls are given or give back."""

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Change what a call is given."""
        return subject, parameters

    def answered(self, answer: Any, subject: Any, parameters: dict[str, Any]) -> Any:
        """Change what a plain call gives back."""
        return answer

    def generate(self, prompt: Any, **given: Any) -> Any:
        return self._changed("generate", prompt, given)

    def chat(self, messages: Any, **given: Any) -> Any:
        return self._changed("chat", messages, given)

    def completions(self, prompt: Any, **given: Any) -> Any:
        return self._changed("completions", prompt, given)

    def _changed(self, method: str, subject: Any, parameters: dict[str, Any]) -> Any:
        subject, parameters = self.given(method, subject, parameters)
        answer = getattr(super(), method)(subject, **parameters)
        return answer if parameters.get("stream") else self.answered(answer, subject, parameters)


def with_text(answer: Any, change: Callable[[str], str]) -> Any:
    """The answer with its text changed."""
    return replace(answer, text=change(answer.text), texts=tuple(change(text) for text in answer.texts))
