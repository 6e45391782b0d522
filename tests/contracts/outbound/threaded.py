"""Adapters of the clients that block: requests, urllib3, urllib, httpx."""

from __future__ import annotations

import contextlib
import io
import shutil
import ssl
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

import httpx
import requests
import requests.auth
import urllib3

from contracts.outbound.adapter import Ask, Client, Reply


def _gathered(pieces: Iterable[Any]) -> list[Any]:
    return list(pieces)


def _all_of(read: Any) -> bytes:
    """Call it until it gives nothing."""
    return b"".join(iter(read, b""))


def _copied(source: Any) -> bytes:
    target = io.BytesIO()
    shutil.copyfileobj(source, target, 5)
    return target.getvalue()


def _into(source: Any) -> bytes:
    read, buffer = b"", bytearray(7)
    while count := source.readinto(buffer):
        read += buffer[:count]
    return read


class RequestsReply(Reply):
    skipped = frozenset({"content", "text", "apparent_encoding", "data", "elapsed", "next"})

    @property
    def status(self) -> int:
        return int(self.raw.status_code)

    def read(self) -> bytes:
        return bytes(self.raw.content)

    def piece(self, size: int) -> bytes:
        if self._pieces is None:
            self._pieces = self.raw.iter_content(size)
        return next(self._pieces, b"")

    def parts(self) -> Iterable[Any]:
        raw = self.raw.raw
        return (self.raw, raw, getattr(raw, "_original_response", None), self.raw.request, *self.raw.history)


class Requests(Client):
    name = door = "requests"
    hooks = digests = True
    ways: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "iter_content": lambda r: _gathered(r.iter_content(7)),
        "iter_content as it comes": lambda r: _gathered(r.iter_content(None)),
        "iter_content, decoded": lambda r: _gathered(r.iter_content(7, decode_unicode=True)),
        "iter_lines": lambda r: _gathered(r.iter_lines()),
        "iterate": lambda r: _gathered(r),
        "content": lambda r: r.content,
        "text": lambda r: r.text,
        "json": lambda r: r.json(),
        "raw.read": lambda r: _all_of(lambda: r.raw.read(7)),
        "raw.read, decoded": lambda r: r.raw.read(decode_content=True),
        "raw.stream": lambda r: _gathered(r.raw.stream(7)),
        "raw, copied": lambda r: _copied(r.raw),
        "raise_for_status": lambda r: (r.raise_for_status(), r.content),
        "close twice": lambda r: (r.close(), r.close()),
        "with": lambda r: r.__enter__().content and r.__exit__(None, None, None),
    }

    def __init__(self, certificate: str | None = None, proxy: str | None = None) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        if certificate:
            self.session.verify = certificate
        if proxy:
            self.session.proxies = {"http": proxy, "https": proxy}

    def send(self, ask: Ask) -> Reply:
        hook = ask.hook
        hooks = {"response": lambda response, **_: hook(response)} if hook else None
        return RequestsReply(
            self.session.request(
                ask.method,
                ask.url,
                headers=ask.headers,
                data=ask.body,
                stream=ask.stream,
                allow_redirects=ask.redirects,
                timeout=ask.timeout,
                hooks=hooks,
                auth=requests.auth.HTTPDigestAuth(*ask.digest) if ask.digest else None,
                **ask.options,
            )
        )

    def close(self) -> None:
        self.session.close()


class Urllib3Reply(Reply):
    skipped = frozenset({"data"})

    def piece(self, size: int) -> bytes:
        if self._pieces is None:
            self._pieces = self.raw.stream(size)
        return next(self._pieces, b"")

    def read(self) -> bytes:
        return bytes(self.raw.data)

    def close(self) -> None:
        self.raw.close()
        self.raw.release_conn()

    def parts(self) -> Iterable[Any]:
        return (self.raw, self.raw._original_response, self.raw.retries)


class Urllib3(Client):
    name = door = "urllib3"
    ways: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "stream": lambda r: _gathered(r.stream(7)),
        "stream as it comes": lambda r: _gathered(r.stream(None)),
        "iterate": lambda r: _gathered(r),
        "data": lambda r: r.data,
        "json": lambda r: r.json(),
        "read": lambda r: _all_of(lambda: r.read(7)),
        "read, undecoded": lambda r: r.read(decode_content=False),
        "read1": lambda r: _all_of(lambda: r.read1()),
        "readinto": _into,
        "read_chunked": lambda r: _gathered(r.read_chunked()),
        "copied": _copied,
        "buffered": lambda r: io.BufferedReader(r).read(),
        "lines": lambda r: io.TextIOWrapper(io.BufferedReader(r)).readlines(),
        "drain_conn": lambda r: r.drain_conn(),
        "release_conn": lambda r: (r.release_conn(), r.closed),
        "close twice": lambda r: (r.close(), r.close()),
        "tell": lambda r: (r.read(7), r.tell(), r.read(), r.tell()),
        "shutdown": lambda r: r.shutdown(),
        "fileno": lambda r: r.fileno() > 0,
    }

    def __init__(self, certificate: str | None = None, proxy: str | None = None) -> None:
        options: dict[str, Any] = {"ca_certs": certificate} if certificate else {}
        self.pool = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)

    def send(self, ask: Ask) -> Reply:
        options = {"timeout": ask.timeout, "redirect": ask.redirects, **ask.options}
        response = self.pool.request(
            ask.method,
            ask.url,
            headers=ask.headers,
            body=ask.body,
            preload_content=not ask.stream,
            **options,
        )
        return Urllib3Reply(response)

    def close(self) -> None:
        self.pool.clear()


class UrllibReply(Reply):
    data: bytes | None = None

    def read(self) -> bytes:
        return bytes(self.raw.read()) if self.data is None else self.data

    def piece(self, size: int) -> bytes:
        return bytes(self.raw.read1(size))


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


class Urllib(Client):
    name = door = "urllib"
    digests = True
    ways: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "read": lambda r: _all_of(lambda: r.read(7)),
        "read all": lambda r: r.read(),
        "read1": lambda r: _all_of(lambda: r.read1(7)),
        "readinto": _into,
        "readline": lambda r: _all_of(r.readline),
        "readlines": lambda r: r.readlines(),
        "iterate": lambda r: _gathered(r),
        "peek": lambda r: (bool(r.peek(3)), r.read()),
        "copied": _copied,
        "lines": lambda r: io.TextIOWrapper(r).readlines(),
        "buffered": lambda r: io.BufferedReader(r).read(),
        "close twice": lambda r: (r.close(), r.close(), r.closed),
        "with": lambda r: contextlib.closing(r).__enter__().read(),
        "fileno": lambda r: r.fileno() > 0,
        "info": lambda r: (r.info().items(), r.getcode(), r.geturl()[:16], r.read()),
    }

    def __init__(self, certificate: str | None = None, proxy: str | None = None) -> None:
        self._handlers: list[Any] = [
            urllib.request.ProxyHandler({"http": proxy, "https": proxy} if proxy else {})
        ]
        if certificate:
            context = ssl.create_default_context(cafile=certificate)
            self._handlers.append(urllib.request.HTTPSHandler(context=context))

    def send(self, ask: Ask) -> Reply:
        handlers = list(self._handlers)
        if not ask.redirects:
            handlers.append(_NoRedirects())
        if ask.digest:
            keys = urllib.request.HTTPPasswordMgrWithDefaultRealm()
            keys.add_password(None, ask.url, *ask.digest)
            handlers.append(urllib.request.HTTPDigestAuthHandler(keys))
        request = urllib.request.Request(ask.url, ask.body, dict(ask.headers or {}), method=ask.method)
        try:
            raw: Any = urllib.request.build_opener(*handlers).open(
                request, timeout=ask.timeout, **ask.options
            )
        except urllib.error.HTTPError as error:
            raw = error  # is a response
        reply = UrllibReply(raw)
        if not ask.stream:
            reply.data = raw.read()
        return reply


class HttpxReply(Reply):
    skipped = frozenset({"elapsed", "extensions", "next_request"})

    @property
    def status(self) -> int:
        return int(self.raw.status_code)

    @property
    def headers(self) -> list[tuple[str, str]]:
        return list(self.raw.headers.multi_items())

    def piece(self, size: int) -> bytes:
        if self._pieces is None:
            self._pieces = self.raw.iter_bytes()
        return next(self._pieces, b"")

    def parts(self) -> Iterable[Any]:
        return (self.raw, self.raw.request, *self.raw.history)


class Httpx(Client):
    name = door = "httpx"
    hooks = digests = True
    ways: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "iter_bytes": lambda r: _gathered(r.iter_bytes(7)),
        "iter_raw": lambda r: b"".join(r.iter_raw()),
        "iter_raw by size": lambda r: _gathered(r.iter_raw(7)),
        "iter_text": lambda r: "".join(r.iter_text()),
        "iter_lines": lambda r: _gathered(r.iter_lines()),
        "read": lambda r: r.read(),
        "json": lambda r: (r.read(), r.json()),
        "raise_for_status": lambda r: (r.read(), r.raise_for_status().status_code),
        "twice": lambda r: (b"".join(r.iter_raw()), _gathered(r.iter_raw())),
        "close twice": lambda r: (r.close(), r.close(), r.is_closed),
        "unread content": lambda r: r.content,
    }

    def __init__(self, certificate: str | None = None, proxy: str | None = None) -> None:
        verify: Any = ssl.create_default_context(cafile=certificate) if certificate else False
        self.client = httpx.Client(trust_env=False, verify=verify, proxy=proxy)

    def send(self, ask: Ask) -> Reply:
        self.client.timeout = httpx.Timeout(ask.timeout)
        hook = ask.hook
        self.client.event_hooks = {"response": [hook] if hook else []}
        request = self.client.build_request(
            ask.method, ask.url, headers=ask.headers, content=ask.body, **ask.options
        )
        auth = httpx.DigestAuth(*ask.digest) if ask.digest else None
        response = self.client.send(request, stream=ask.stream, follow_redirects=ask.redirects, auth=auth)
        return HttpxReply(response)

    def close(self) -> None:
        self.client.close()


THREADED: Final[tuple[type[Client], ...]] = (Requests, Urllib3, Urllib, Httpx)
