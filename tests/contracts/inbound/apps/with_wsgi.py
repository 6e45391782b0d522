"""The app on nothing but WSGI."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from contracts.inbound.apps import answers

TEXT = ("Content-Type", "text/plain; charset=utf-8")


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if path.startswith("/echo/") and method == "POST":
        name = path.removeprefix("/echo/")
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        time.sleep(answers.ECHO_PAUSE)
        start_response("200 OK", answers.echo_headers(name))
        return [answers.echo_body(name, body)]
    if path in ("/stream", "/halfway"):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return pieces(query, broken=path == "/halfway")
    if path == "/empty":
        start_response("204 No Content", [("X-Empty", "yes")])
        return []
    if path == "/boom":
        raise answers.BoomError(answers.BOOM)
    if path == "/who":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answers.who()).encode()]
    if path == "/file":
        start_response("200 OK", [TEXT, ("Content-Length", str(answers.FILE.stat().st_size))])
        wrapper = environ.get("wsgi.file_wrapper")
        file = answers.FILE.open("rb")
        return wrapper(file) if wrapper else iter(lambda: file.read(8192), b"")
    if path == "/closing":
        start_response("200 OK", [TEXT])
        return Closing()
    if path == "/written":
        write = start_response("200 OK", [TEXT])
        write(answers.PIECES[0])
        return [answers.PIECES[1]]
    text = {"/echo": answers.ECHO, "/big": answers.BIG, "/ignore": answers.IGNORED}.get(path)
    start_response("200 OK" if text else "404 Not Found", [TEXT])
    return [(text or "nothing here").encode()]


class Closing:
    """An answer that must be closed, once, whether it is read or not."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(answers.PIECES[:2])

    def close(self) -> None:
        answers.marks.append("closing closed")


def pieces(query: dict[str, str], *, broken: bool) -> Iterator[bytes]:
    name, count, held = answers.wanted(query)
    finished = False
    try:
        for number in range(count):
            if broken and number == 2:
                raise answers.BoomError(answers.BOOM)
            yield answers.next_piece(name, number)
            if held and number == 0:
                answers.hold(name)
            time.sleep(answers.PAUSE)
        finished = True
    finally:
        answers.stream_over(name, finished)
