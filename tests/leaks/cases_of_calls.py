"""What only a client meets: passwords in URLs, exceptions that quote, redirects, proxies, broken answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from leaks.planting import Plant

JSON: Final = "application/json"


@dataclass(frozen=True)
class Call:
    """One call of a client.

    Attributes:
        target: behind the address of the server.
        userinfo: before it.
        refused: it goes where nobody listens.
        body: bytes, or pieces that are made while they are sent; may raise.
        answer: the whole response, byte by byte; the connection is closed behind it.
        proxy: by the server, as a proxy with this userinfo.
        piecewise: the response is read by pieces, and closed in its middle.
    """

    method: str = "GET"
    target: str = ""
    userinfo: str = ""
    refused: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Callable[[], Iterator[bytes]] | None = None
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    proxy: str | None = None
    redirects: bool = False
    piecewise: bool = False
    options: dict[str, Any] = field(default_factory=dict)


CALLS: Final[dict[str, Callable[[Plant], Call]]] = {}


def call(made: Callable[[Plant], Call]) -> Callable[[Plant], Call]:
    """Put a call into the table, by its name."""
    CALLS[f"call-{made.__name__}".replace("_", "-")] = made
    return made


def answered(body: bytes, *fields: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """A response with a length, which may be wrong."""
    head = "".join(
        f"{each}\r\n" for each in (*fields, f"Content-Length: {len(body) if length is None else length}")
    )
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body


@call
def userinfo(plant: Plant) -> Call:
    return Call(
        userinfo=f"ann:{plant.secret('URL: userinfo')}@", target=f"?token={plant.secret('URL: query')}"
    )


@call
def refused(plant: Plant) -> Call:
    """The client's exception quotes the URL."""
    return Call(
        "POST",
        f"?token={plant.secret('refused: query')}",
        f"ann:{plant.secret('refused: userinfo')}@",
        refused=True,
        headers=(("Authorization", f"Bearer {plant.secret('refused: header')}"),),
        body=f"password={quote(plant.phrase('refused: body'))}".encode(),
    )


@call
def bad_status_line(plant: Plant) -> Call:
    """The client's exception quotes the line."""
    return Call(answer=f"HELLO token={plant.secret('status line')}\r\n\r\n".encode())


@call
def bad_header_line(plant: Plant) -> Call:
    """The client quotes it, or passes over it."""
    line = f"password={plant.secret('header line without a colon')}"
    return Call(answer=f"HTTP/1.1 200 OK\r\n{line}\r\nContent-Length: 0\r\n\r\n".encode())


@call
def bad_chunk(plant: Plant) -> Call:
    size = f"token={plant.secret('chunk size')}".encode()
    return Call(answer=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\nok\r\n")


@call
def bad_request_header(plant: Plant) -> Call:
    """The client refuses the value, and quotes it."""
    return Call(headers=(("X-Api-Key", f"{plant.secret('header with a line break')}\r\nX-B: c"),))


@call
def reason(plant: Plant) -> Call:
    return Call(answer=answered(b"no", status=f"401 token={plant.secret('reason phrase')}"))


@call
def upload_raises(plant: Plant) -> Call:
    """The app's exception quotes what it was about to send, and what it has sent."""
    sent, unsent = plant.phrase("upload: sent, quoted"), plant.secret("upload: not sent, quoted")

    def pieces() -> Iterator[bytes]:
        yield json.dumps({"user": "ann", "password": sent}).encode()
        raise ValueError(f"{sent} is not allowed with token={unsent}")

    return Call("POST", body=pieces, headers=(("Content-Type", JSON),))


@call
def upload_in_pieces(plant: Plant) -> Call:
    secret = plant.phrase("upload: in pieces")
    whole = json.dumps({"title": plant.marker("upload"), "password": secret, "n": 1}).encode()
    return Call(
        "POST",
        body=lambda: (whole[at : at + 7] for at in range(0, len(whole), 7)),
        headers=(("Content-Type", JSON),),
    )


@call
def redirected(plant: Plant) -> Call:
    """The next request has what the Location has."""
    where = f"/end?access_token={plant.secret('redirect: query')}&sig={plant.secret('redirect: sig')}"
    cookie = f"Set-Cookie: sid={plant.secret('redirect: cookie')}; Path=/"
    return Call(
        answer=answered(b"go", f"Location: {where}", cookie, status="302 Found"),
        redirects=True,
        headers=(("Authorization", f"Bearer {plant.secret('redirect: header')}"),),
    )


@call
def redirected_nowhere(plant: Plant) -> Call:
    """The client refuses to go there, and quotes where."""
    where = f"ftp://ann:{plant.secret('redirect: userinfo')}@x.test/?token={plant.secret('redirect: bad')}"
    return Call(answer=answered(b"go", f"Location: {where}", status="302 Found"), redirects=True)


@call
def by_proxy(plant: Plant) -> Call:
    return Call(
        target=f"?token={plant.secret('proxy: query')}", proxy=f"ann:{plant.secret('proxy: userinfo')}@"
    )


@call
def broken_off(plant: Plant) -> Call:
    """The response ends early; the client's exception may have what was read."""
    body = json.dumps({"user": "ann", "access_token": plant.phrase("response: broken off")}).encode()
    return Call(answer=answered(body[:-5], f"Content-Type: {JSON}", length=500))


@call
def half_read(plant: Plant) -> Call:
    body = {"access_token": plant.phrase("response: half read"), "filler": ["x" * 100] * 500}
    return Call(answer=answered(json.dumps(body).encode(), f"Content-Type: {JSON}"), piecewise=True)


@call
def compressed(plant: Plant) -> Call:
    body = {"title": plant.marker("compressed response"), "refresh_token": plant.secret("response: gzip")}
    packed = gzip.compress(json.dumps(body).encode(), mtime=0)
    return Call(answer=answered(packed, f"Content-Type: {JSON}", "Content-Encoding: gzip"))


@call
def badly_compressed(plant: Plant) -> Call:
    """The client's exception may quote bytes."""
    body = b"\x1f\x8b\x08\0password=" + plant.secret("response: no gzip").encode()
    return Call(answer=answered(body, "Content-Encoding: gzip"))


@call
def interim(plant: Plant) -> Call:
    early = f"HTTP/1.1 103 Early Hints\r\nX-Api-Key: {plant.secret('response: early hints')}\r\n\r\n".encode()
    return Call(answer=early + answered(b"ok"))


@call
def trailer(plant: Plant) -> Call:
    last = f"X-Token: {plant.secret('response: trailer')}".encode()
    body = b"2\r\nok\r\n0\r\n" + last + b"\r\n\r\n"
    return Call(answer=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Token\r\n\r\n" + body)


@call
def echoed(plant: Plant) -> Call:
    """An error page quotes what was sent."""
    secret = plant.phrase("response: echo")
    page = f"<p>{secret} is wrong</p>".encode()
    return Call(
        "POST",
        body=json.dumps({"user": "ann", "password": secret}).encode(),
        headers=(("Content-Type", JSON),),
        answer=answered(page, "Content-Type: text/html", status="422 Unprocessable"),
    )
