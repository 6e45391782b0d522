"""A collector for OTEL_PYTHON_SPANTAP_HTTP_ENDPOINT in forty lines: prints each exchange it has not had yet.

    python examples/http_receiver.py 8900
    OTEL_PYTHON_SPANTAP_HTTP_ENDPOINT=http://s3cret@127.0.0.1:8900/ spantap run -- ...

Answer 2xx when the batch is yours, 429 or 503 with Retry-After when it should come again, 413 when
it should come in smaller ones. What you have had already, and what you will not have, you may count.
"""

from __future__ import annotations

import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "s3cret"  # what stands before the @, or in HTTP_TOKEN
seen: set[tuple[str, str]] = set()


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.answer(401, {})
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        records = json.loads(body)  # an array; docs/record.schema.json says of what
        fresh = [each for each in records if (each["trace_id"], each["span_id"]) not in seen]
        for each in fresh:
            seen.add((each["trace_id"], each["span_id"]))
            request, response = each["request"], each["response"]
            print(request["method"], request["path"], response.get("status"), flush=True)
        return self.answer(200, {"duplicates": len(records) - len(fresh)})

    def answer(self, status: int, said: dict[str, int]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Collector).serve_forever()
