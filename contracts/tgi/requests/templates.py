"""From chat messages to the prompt: the recorded chat template in its plainest form, and the tools' text.

The template has no ``tools`` variable, so TGI appends the tools to the last message (measured: the
text that ``/chat_tokenize`` shows, and x-compute-characters, which counts it).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from tgi_conformance.contracts.json_types import JSON

_END: Final = "<|end|>\n"
_NEXT: Final = "<|assistant|>\n"

#: What TGI appends after the tools unless ``tool_prompt`` says otherwise.
DEFAULT_TOOL_PROMPT: Final = (
    "\nGiven the functions available, please respond with a JSON for a function call with its proper "
    "arguments that best answers the given prompt. Respond in the format {name: function name, parameters: "
    "dictionary of argument name and its value}.Do not use variables.\n"
)

#: The tool that TGI adds where the model may also answer without one.
NO_TOOL: Final = "no_tool"
NO_TOOL_DEFINITION: Final[JSON] = {
    "type": "function",
    "function": {
        "description": "Open ended response with no specific tool selected",
        "name": NO_TOOL,
        "parameters": {"type": "object"},
    },
}


def templated(messages: Sequence[Mapping[str, JSON]], tools_text: str = "") -> str:
    """The prompt of a conversation; an assistant's last message is left open, to be continued."""
    turns = [f"<|{_text(message.get('role'))}|>\n{message_text(message)}{_END}" for message in messages]
    if turns and tools_text:
        turns[-1] = turns[-1].removesuffix(_END) + tools_text + _END
    if messages and messages[-1].get("role") == "assistant":
        turns[-1] = turns[-1].removesuffix(_END)
        return "<s>" + "".join(turns)
    return "<s>" + "".join(turns) + _NEXT


def tools_text(tools: Sequence[Mapping[str, JSON]], tool_prompt: str | None) -> str:
    """What TGI appends to the last message for these tools."""
    listed = json.dumps([_listed(tool) for tool in tools], ensure_ascii=False, separators=(",", ":"))
    return f"\n---\n{listed}\n{DEFAULT_TOOL_PROMPT if tool_prompt is None else tool_prompt}"


def _listed(tool: Mapping[str, JSON]) -> JSON:
    """A tool as TGI writes it down: arguments as a string of JSON."""
    function = tool.get("function")
    inner: Mapping[str, JSON] = function if isinstance(function, Mapping) else {}
    arguments = inner.get("parameters", inner.get("arguments", {}))
    return {
        "type": tool.get("type", "function"),
        "function": {
            "description": inner.get("description"),
            "name": inner.get("name"),
            "arguments": json.dumps(arguments, ensure_ascii=False, separators=(",", ":")),
        },
    }


def message_text(message: Mapping[str, JSON]) -> str:
    """The text of one chat message; images become Markdown, as TGI puts them into the prompt."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if content is None:
        calls = message.get("tool_calls")
        return _calls_text(calls) if isinstance(calls, Sequence) and calls else ""
    return "".join(_chunk_text(chunk) for chunk in content) if isinstance(content, list | tuple) else ""


def _calls_text(calls: Sequence[JSON]) -> str:
    """Earlier calls as TGI writes them into the prompt."""
    listed = [{"id": call.get("id"), **_typed(_listed(call))} for call in calls if isinstance(call, Mapping)]
    return json.dumps(listed, ensure_ascii=False, separators=(",", ":"))


def _typed(value: JSON) -> Mapping[str, JSON]:
    return value if isinstance(value, Mapping) else {}


def _chunk_text(chunk: JSON) -> str:
    if not isinstance(chunk, Mapping):
        return ""
    if chunk.get("type") == "text":
        return _text(chunk.get("text"))
    image = chunk.get("image_url")
    return f"![]({_text(image.get('url'))})" if isinstance(image, Mapping) else ""


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""
