"""A service that hands out rates, and may be told how to fail."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD = (200, {"ETag": '"1"'}, b'{"capture_sample_rate": 0}')


class RatesServer:
    """Answers with what it is told to; remembers what it was asked.

    Attributes:
        answers: status, headers and body of each answer to come; the last one stays. One whose ETag
            the client has is answered with 304.
        asked: the headers of each request.
        given: the status of each answer.
        url: where it is.
    """

    def __init__(self) -> None:
        server = self
        self.answers: list[tuple[int, dict[str, str], bytes]] = [GOOD]
        self.asked: list[dict[str, str]] = []
        self.given: list[int] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = {name.lower(): each for name, each in self.headers.items()}
                status, headers, body = (
                    server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                )
                if "ETag" in headers and asked.get("if-none-match") == headers["ETag"]:
                    status, body = 304, b""
                server.asked.append(asked)
                server.given.append(status)
                self.send_response(status)
                for each in (*headers.items(), ("location", "/elsewhere")):
                    self.send_header(*each)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """The tests look at what was asked."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/rates"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
