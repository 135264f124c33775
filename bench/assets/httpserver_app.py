"""pytest-httpserver with the bench's two answers; runs under the interpreter that it is installed in.

Usage: httpserver_app.py PORT ANSWERS.json, with ``{"route", "plain": JSON, "events": [text, ...]}``.
"""

import json
import sys
import threading
from pathlib import Path

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response


def main(port: int, answers: dict[str, object]) -> None:
    """Serve until stdin closes."""
    plain = json.dumps(answers["plain"])
    events = [str(event).encode() for event in answers["events"]]  # type: ignore[attr-defined]

    def answer(request: Request) -> Response:
        if json.loads(request.get_data())["stream"]:
            return Response(iter(events), content_type="text/event-stream")
        return Response(plain, content_type="application/json")

    server = HTTPServer(host="127.0.0.1", port=port, threaded=True)
    server.expect_request(str(answers["route"]), method="POST").respond_with_handler(answer)
    server.start()
    threading.Thread(target=_forget, args=(server,), daemon=True).start()
    sys.stdin.read()
    server.stop()


def _forget(server: HTTPServer) -> None:
    """Empty its log now and then: it keeps every request for good."""
    while True:
        threading.Event().wait(1.0)
        server.clear_log()


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
