"""An agency's HTTP API on this machine: its records page by page, to whoever has the key."""

from __future__ import annotations

import json
import secrets
import threading
from datetime import date
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KEY_HEADER = "X-Api-Key"
_PAGE = 10  # records
_POLL_SECONDS = 0.05


class Api(ThreadingHTTPServer):
    """Answers `GET <path>?updated_from=<day>&updated_to=<day, not itself>&after=<cursor>`.

    Attributes:
        path: where the records are.
        key: that a question must hold in the header KEY_HEADER.
        records: the days on which they were entered, and their JSON texts.
    """

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(("127.0.0.1", 0), _Question)
        self.path, self.key = path, secrets.token_urlsafe(16)
        self.records: list[tuple[date, str]] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        self._thread.start()

    @property
    def location(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.server_address[1]}{self.path}"

    def page(self, asked: dict[str, str]) -> str:
        """The answer to a question, whose parameters are these."""
        first = date.fromisoformat(asked.get("updated_from", "0001-01-01"))
        last = date.fromisoformat(asked.get("updated_to", "9999-12-31"))
        start = int(asked.get("after", 0))
        found = [record for day, record in self.records if first <= day < last]
        end = start + _PAGE
        meta = json.dumps({"total": len(found), "next": str(end) if end < len(found) else None})
        return f'{{"meta": {meta}, "data": {{"items": [{", ".join(found[start:end])}]}}}}'

    def end(self) -> None:
        """Stop it."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Question(BaseHTTPRequestHandler):
    server: Api

    def log_message(self, *_: Any) -> None:
        """Nothing is logged: a terminal is no place for it."""

    def do_GET(self) -> None:
        """Answer."""
        parts = urlsplit(self.path)
        if not compare_digest(self.headers.get(KEY_HEADER, "").encode(), self.server.key.encode()):
            self._say(HTTPStatus.UNAUTHORIZED, "{}")
        elif parts.path != self.server.path:
            self._say(HTTPStatus.NOT_FOUND, "{}")
        else:
            try:
                self._say(HTTPStatus.OK, self.server.page(dict(parse_qsl(parts.query))))
            except ValueError:
                self._say(HTTPStatus.BAD_REQUEST, "{}")

    def _say(self, status: HTTPStatus, body: str) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
