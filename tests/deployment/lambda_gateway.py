"""API Gateway and AWS Lambda in one process, run as a program: each request is one call of app.handler.

    lambda_gateway.py PORT

It has to lie beside the app. Requests come one after the other, as they do to one instance of a
function, and an answer is sent when the handler has returned: whoever has it may kill the process.
"""

from __future__ import annotations

import base64
import importlib
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

handler = importlib.import_module("app").handler


class Gateway(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        url = urlsplit(self.path)
        cookies = self.headers.get("cookie")
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": url.path,
            "rawQueryString": url.query,
            "cookies": [] if cookies is None else cookies.split("; "),
            "headers": {name.lower(): value for name, value in self.headers.items() if name != "Cookie"},
            "requestContext": {
                "http": {
                    "method": "POST",
                    "path": url.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": self.client_address[0],
                },
                "stage": "$default",
                "domainName": "shop.example",
            },
            "body": body.decode(),
            "isBase64Encoded": False,
        }
        answer = handler(event, None)
        text = answer["body"]
        sent = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        self.send_response(answer["statusCode"])
        for name, value in answer.get("headers", {}).items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        for name, values in answer.get("multiValueHeaders", {}).items():
            for value in values:
                self.send_header(name, value)
        for cookie in answer.get("cookies", ()):
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Gateway).serve_forever()
