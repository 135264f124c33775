"""The second client's reading: errors, events, pieces and answers. Written from the catalogue alone."""

import contextlib
import email.utils
import itertools
import json
import re
import time

KINDS = {
    401: "auth",
    403: "auth",
    404: "not_found",
    405: "bad_request",
    408: "timeout",
    413: "payload_too_large",
}
KINDS |= {422: "validation", 424: "server_error", 429: "rate_limited"}


class SecondError(Exception):
    def __init__(self, kind, message, *, status=None, retry_after=None, fault=None, error_type=None):
        super().__init__(message[:2000])
        self.kind, self.status, self.retry_after, self.fault = kind, status, retry_after, fault
        self.error_type = error_type
        self.request_id = None


def retry_after(lines):
    if len(lines) != 1:
        return None
    text = lines[0].strip(" \t")
    if re.fullmatch("[0-9]+", text):
        return float(text) if len(text) < 15 else 1e15
    try:
        moment = email.utils.parsedate_to_datetime(text)
        wait = moment.timestamp() - time.time()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return wait if wait > 0 else None


def error_of(status, content, lines=()):
    """The error of a failed answer, whatever its body is."""
    text = content.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    message, kind_told = told(value)
    kind = KINDS.get(status, "server_error" if status >= 500 else "bad_request")
    if status == 429 and kind_told == "overloaded":
        kind = "overloaded"
    if status < 400:
        kind = "remote_error"
    return SecondError(
        kind,
        f"status {status}: {message or text[:1000]}",
        status=status,
        retry_after=retry_after(lines),
        error_type=kind_told if isinstance(kind_told, str) else None,
    )


def told(value):
    """Message and type of an error object."""
    if not isinstance(value, dict) or value.get("error") is None:
        return None, None
    error = value["error"]
    if isinstance(error, dict):
        error = error.get("message", error)
    return error if isinstance(error, str) else json.dumps(error)[:1000], value.get("error_type")


def events(parts):
    """(type, data) of each event that has any; only CR, LF and CRLF end a line."""
    buffer, kind, data, begun = b"", "", [], False
    for part in itertools.chain(parts, [b""]):  # at the end of all, a CR is no half of a CRLF
        buffer += part
        if not begun and len(buffer) < 3 and b"\xef\xbb\xbf".startswith(buffer):
            continue
        buffer = buffer if begun else buffer.removeprefix(b"\xef\xbb\xbf")
        begun = True
        end = rb"\r\n|\n|\r(?!\Z)" if part else rb"\r\n|\n|\r"
        while match := re.search(end, buffer):
            line, buffer = buffer[: match.start()].decode("utf-8", "replace"), buffer[match.end() :]
            name, _, value = line.partition(":")
            if name == "data":
                data.append(value.removeprefix(" "))
            elif name == "event":
                kind = value.removeprefix(" ")
            elif not line:
                if any(data) or (data and kind == "error"):
                    yield kind, "\n".join(data)
                kind, data = "", []


def pieces(method, parts):
    """The pieces of a stream; raises where it reports an error or ends without a mark of its end."""
    finished, calls, usage = None, {}, {}
    for kind, data in events(parts):
        if data.strip() == "[DONE]":
            return (yield from closing(calls, finished, usage))
        try:
            value = json.loads(data)
        except ValueError:
            value = None
        message, error_type = told(value)
        if kind == "error" or message is not None:
            problem = message or data[:1000]
            raise SecondError(
                "overloaded" if error_type == "overloaded" else "remote_error",
                problem,
                error_type=error_type,
                status=200,
            )
        if not isinstance(value, dict):
            raise SecondError("protocol", f"an event that is no object: {data[:200]}", status=200)
        if method == "generate":
            token, final = value.get("token") or {}, value.get("generated_text")
            yield {
                "text": token.get("text"),
                "special": token.get("special") is True,
                "done": final is not None,
                "logprobs": [native_logprob(token, value.get("top_tokens"))],
                **({"usage": native_counts(value["details"], {})} if value.get("details") else {}),
            }
            if final is not None:
                return
            continue
        usage = counts_in(value) or usage
        for choice in value.get("choices") or ():
            finished = choice.get("finish_reason") or finished
            yield openai_piece(method, choice, calls)
    if finished is None:
        raise SecondError("truncated_stream", "the stream ended without a mark of its end", status=200)
    yield from closing(calls, finished, usage)


def openai_piece(method, choice, calls):
    """The piece of one choice; fragments of tool calls go to those of their index."""
    delta = choice.get("delta") or {}
    fragments = delta.get("tool_calls") or ()
    for one in [fragments] if isinstance(fragments, dict) else fragments:
        join(calls.setdefault(one.get("index") or 0, {"name": None, "id": None, "text": ""}), one)
    text = choice.get("text") if method == "completions" else delta.get("content")
    return {
        "text": text or "",
        "index": choice.get("index") or 0,
        "finish_reason": choice.get("finish_reason"),
        "logprobs": chat_logprobs(choice),
    }


def join(call, fragment):
    function = fragment.get("function") or {}
    call["name"], call["id"] = call["name"] or function.get("name"), call["id"] or fragment.get("id")
    arguments = function.get("arguments") or ""
    call["text"] += arguments if isinstance(arguments, str) else json.dumps(arguments)


def closing(calls, finished, usage):
    made = [tool_call(c["name"], c["text"], c["id"], finished) for _, c in sorted(calls.items())]
    if made or usage:
        yield {"text": "", "done": True, "tool_calls": made, **({"usage": usage} if usage else {})}


def native_logprob(token, likeliest):
    found = {"token": token.get("text"), "logprob": token.get("logprob")}
    top = [{"token": one.get("text"), "logprob": one.get("logprob")} for one in likeliest or ()]
    return {**found, "top": top} if top else found


def native_logprobs(details):
    """The generated tokens of an answer, and those of its prompt."""
    tokens, likeliest = details.get("tokens") or (), details.get("top_tokens") or ()
    pairs = itertools.zip_longest(tokens, likeliest[: len(tokens)])
    made = [native_logprob(token, top) for token, top in pairs]
    return {
        "logprobs": made,
        "prompt_logprobs": [native_logprob(token, None) for token in details.get("prefill") or ()],
    }


def chat_logprobs(choice):
    content = (choice.get("logprobs") or {}).get("content") or ()
    return [
        {
            "token": one.get("token"),
            "logprob": one.get("logprob"),
            "top": [{"token": t["token"], "logprob": t["logprob"]} for t in one.get("top_logprobs") or ()],
        }
        for one in content
    ]


def counts_in(value):
    """The token counts that an answer or an event of OpenAI's form tells."""
    usage = value.get("usage") if isinstance(value.get("usage"), dict) else {}
    counts = {name: usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return {name: count for name, count in counts.items() if isinstance(count, int)}


def native_counts(details, headers):
    """The token counts of a native answer: its own, else those of its headers."""
    counts = {"completion_tokens": details.get("generated_tokens")}
    for name, header in (("prompt_tokens", "x-prompt-tokens"), ("completion_tokens", "x-generated-tokens")):
        told_there = headers.get(header, "")
        if not isinstance(counts.get(name), int) and re.fullmatch("[0-9]{1,12}", told_there):
            counts[name] = int(told_there)
    return counts


def tool_call(name, arguments, call_id, finished):
    whole = not isinstance(arguments, str)
    if not whole:
        with contextlib.suppress(ValueError):
            arguments, whole = json.loads(arguments), True
    return {"name": name, "arguments": arguments, "id": call_id, "complete": whole and finished != "length"}


def answer_of(method, content, headers):
    """The answer in the body of a 200; raises where there is none in it."""
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise SecondError("protocol", "the 200 is no JSON", status=200) from None
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    message, error_type = told(value)
    if message is not None:
        raise SecondError("remote_error", message, status=200, error_type=error_type)
    try:
        if method == "generate":
            found = {"text": value["generated_text"], "raw": value}
            details = value.get("details") or {}
            found["usage"] = native_counts(details, headers)
            found |= native_logprobs(details)
        else:
            found = openai_answer(method, value)
    except (KeyError, TypeError, IndexError, AttributeError):
        found = {}
    if not isinstance(found.get("text"), str):
        raise SecondError("protocol", "the 200 holds no answer", status=200)
    return found


def openai_answer(method, value):
    choice = value["choices"][0]
    told_finish = choice.get("finish_reason")
    finish = {
        "finish_reason": told_finish if isinstance(told_finish, str) else None,
        "usage": counts_in(value),
    }
    if method == "completions":
        return {"text": choice["text"], **finish}
    message = choice["message"]
    calls = message.get("tool_calls") or []
    made = [
        tool_call(one["function"]["name"], one["function"]["arguments"], one.get("id"), told_finish)
        for one in ([calls] if isinstance(calls, dict) else calls)
    ]
    text = message.get("content")
    text = "" if text is None and made else text
    return {"text": text, "tool_calls": made, "logprobs": chat_logprobs(choice), **finish}
