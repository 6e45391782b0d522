"""The WSGI door: what the app reads and yields passes at once and unchanged; it is noted.

Follows PEP 3333. ``close()`` is called exactly when the server calls it, `len()` and the
server's file wrapper stay visible, the input offers the methods it offered before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from opentelemetry.instrumentation.wsgi import wsgi_getter
from opentelemetry.util.http import ExcludeList

from spantap.guard import report
from spantap.inbound.hidden import hiding_start_response
from spantap.inbound.route import describe_environ
from spantap.inbound.said import framework_request, note_environ
from spantap.inbound.wsgi_input import tee_input
from spantap.inbound.wsgi_passing import pass_through
from spantap.model import Observation
from spantap.otel.hooked import HookedSession
from spantap.otel.passage import Passage
from spantap.otel.session import SESSION, Session
from spantap.otel.tap import Tap

Environ = dict[str, Any]  # PEP 3333: a builtin dictionary
Write = Callable[[bytes], object]
StartResponse = Callable[..., Write]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]


class WSGIDoor:
    """Wraps a WSGI app. One object serves all requests; each request has its own `_Exchange`.

    Attributes:
        app: the app inside.
    """

    def __init__(self, app: WSGIApp, tap: Callable[[], Tap], excluded: ExcludeList | None = None) -> None:
        """Args:
        app: a WSGI callable.
        tap: gives the tap when the first request comes.
        excluded: URLs that get neither span nor record (``OTEL_PYTHON_EXCLUDED_URLS``).
        """
        self.app = app
        self._tap = tap
        self._excluded = excluded

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        passage = None
        if SESSION not in environ:
            try:
                tap = self._tap()
                if tap.hidden_headers:
                    start_response = hiding_start_response(start_response, tap.hidden_headers)
                passage = self._open(environ, tap)
            except Exception as error:  # noqa: BLE001 - our bug must not reach the app
                report("opening a request", error)
        if passage is None:
            return self.app(environ, start_response)
        if isinstance(passage, Session):
            exchange = _Exchange(passage, environ, start_response)
            if tap.freezes:
                exchange.afterwards = tap.flush_before_freeze
            return exchange.run(self.app)
        return pass_through(passage, self.app, environ, start_response)

    def _open(self, environ: Environ, tap: Tap) -> Passage | None:
        if self._excluded is not None and self._excluded.url_disabled(_url(environ)):
            return None
        fields = tap.tracing.propagation_fields
        propagated = not fields or not environ.keys().isdisjoint(_environ_keys(fields))
        passage = tap.open(environ["REQUEST_METHOD"], _observe, environ, wsgi_getter, propagated=propagated)
        if isinstance(passage, Session):
            environ[SESSION] = passage
            if passage.captured and "wsgi.input" in environ:
                body = environ["wsgi.input"]
                environ["wsgi.input"] = tee_input(body, passage.request, _content_length(environ))
        elif passage is not None:
            environ[SESSION] = None
        return passage


class _Exchange:
    """One request on its way through: the `start_response` the app gets and what the server iterates."""

    __slots__ = ("_environ", "_request", "_response_headers", "_start_response", "afterwards", "session")

    def __init__(self, session: Session, environ: Environ, start_response: StartResponse) -> None:
        self.session = session
        self._environ = environ
        # Copied, because the app may change it; read only when the exchange is kept.
        self._request = environ.copy()
        self._response_headers: list[tuple[str, str]] = []
        self._start_response = start_response
        self.afterwards: Callable[[], None] | None = None  # called when it is finished
        session.complete = self.complete
        if isinstance(session, HookedSession):
            session.native = environ

    def run(self, app: WSGIApp) -> Iterable[bytes]:
        session = self.session
        tokens = session.enter()
        try:
            result = app(self._environ, self.start_response)
        except BaseException as error:
            self.failed(error)
            self.finish()
            raise
        finally:
            session.leave(tokens)
        wrapper = self._environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(result, wrapper):
            # The server recognises it by its type and may send it without Python reading it.
            session.response.missing = "file"
            self.finish()
            return result
        return (_SizedBody if hasattr(result, "__len__") else _Body)(result, self)

    def start_response(
        self, status: str, headers: Iterable[tuple[str, str]], *args: Any, **kwargs: Any
    ) -> Write:
        if not isinstance(headers, (list, tuple)):
            headers = list(headers)  # an iterable may be good for one reading only, and the server needs it
        try:
            self.session.answered(int(status[:3]))
            self._response_headers = list(headers)
        except Exception as error:  # noqa: BLE001 - a malformed status is the server's to refuse
            report("noting a response", error)
        # Now, while the framework's request is still there: Flask lets go of it when the app
        # returns, Django when the response is closed.
        self.describe()
        session = self.session
        if session.captured:
            note_environ(session.seen, self._environ, session.data_attribute)
            if isinstance(session, HookedSession):
                session.framework_request = framework_request(self._environ)
        write = self._start_response(status, headers, *args, **kwargs)
        if not self.session.captured:
            return write

        def noting_write(data: bytes) -> object:
            self.chunk(data)
            return write(data)

        return noting_write

    def chunk(self, data: bytes) -> None:
        if not data:
            return
        try:
            self.session.first_byte()
            self.session.response.chunk(data)
        except TypeError:
            pass  # not bytes: the server will say so
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("noting a response body", error)

    def exhausted(self) -> None:
        self.session.response.whole = True
        self.session.passed()
        if self.afterwards is not None:
            self.finish()  # serverless-wsgi never closes a response

    def failed(self, error: BaseException) -> None:
        try:
            self.session.failed(error)
        except Exception as ours:  # noqa: BLE001 - our bug must not reach the app
            report("noting an exception", ours)

    def describe(self) -> None:
        try:
            describe_environ(self.session.seen, self._environ)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("describing a request", error)

    def complete(self) -> None:
        """What the session asks for when the exchange is made."""
        seen = self.session.seen
        describe_environ(seen, self._environ)
        seen.request_headers = _headers(self._request)
        # Django writes a space before each cookie; around a value it means nothing.
        seen.response_headers = [
            (str(name), str(value).strip(" \t")) for name, value in self._response_headers
        ]

    def finish(self, incomplete: str | None = None) -> None:
        self.describe()
        try:
            self.session.finish(incomplete)
        except Exception as error:  # noqa: BLE001 - our bug must not reach the app
            report("finishing a request", error)
        if self.afterwards is not None:
            self.afterwards()


class _Body:
    """The response iterable as the server sees it."""

    __slots__ = ("_exchange", "_iterator", "_result")

    def __init__(self, result: Iterable[bytes], exchange: _Exchange) -> None:
        self._result = result
        self._exchange = exchange
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        exchange = self._exchange
        session = exchange.session
        tokens = session.enter()
        try:
            if self._iterator is None:
                self._iterator = iter(self._result)
            data = next(self._iterator)
        except StopIteration:
            exchange.exhausted()
            raise
        except BaseException as error:
            exchange.failed(error)
            raise
        finally:
            session.leave(tokens)
        exchange.chunk(data)
        return data

    def close(self) -> None:
        """The server is done: pass it on, then finish."""
        exchange = self._exchange
        session = exchange.session
        tokens = session.enter()
        try:
            if self._iterator is not None:
                # A server drops its iterator before it closes: a generator in it ends first, as without us.
                self._iterator = iter(())
            close = getattr(self._result, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            exchange.failed(error)
            raise
        finally:
            session.leave(tokens)
            exchange.finish(self._left_out())

    def _left_out(self) -> str | None:
        """Closed before it was exhausted: the client left. Not even begun: the server wanted no body."""
        session = self._exchange.session
        partial = self._iterator is not None and not session.response.whole
        return "client_disconnected" if partial and session.seen.error_type is None else None

    def __del__(self) -> None:
        """A server that has failed may never close the response: Werkzeug's, when its client is gone.

        The app's own ``close`` is not called here either, as it would not be without us.
        """
        if not self._exchange.session.done:
            self._exchange.finish(self._left_out())


class _SizedBody(_Body):
    """A response whose length the server may ask: a list of one chunk gets a Content-Length."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._result)  # type: ignore[arg-type]


def _observe(environ: Environ, start: int) -> Observation:
    get = environ.get
    host, port = _server(get("HTTP_HOST"), get("SERVER_PORT"))
    client_port = str(get("REMOTE_PORT") or "")
    return Observation(
        method=environ["REQUEST_METHOD"],
        scheme=get("wsgi.url_scheme", "http"),
        path=_path(environ),
        query=get("QUERY_STRING", ""),
        start=start,
        http_version=get("SERVER_PROTOCOL", "").removeprefix("HTTP/") or None,
        client_address=get("REMOTE_ADDR") or None,
        client_port=int(client_port) if client_port.isdigit() else None,
        server_address=host,
        server_port=port,
        user_agent=get("HTTP_USER_AGENT"),
    )


def _server(host: str | None, port: Any) -> tuple[str | None, int | None]:
    """The name the client called, without its port, and the port the server listens on."""
    if host:
        name, colon, digits = host.rpartition(":")
        host = name if colon and digits.isdigit() else host
    return host or None, int(port) if str(port or "").isdigit() else None


def _path(environ: Environ) -> str:
    # PEP 3333: the environ holds octets as latin-1 characters.
    raw: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    if raw.isascii():
        return raw or "/"
    try:
        return raw.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return raw


@functools.lru_cache(maxsize=64)
def _environ_keys(fields: frozenset[str]) -> frozenset[str]:
    return frozenset("HTTP_" + name.upper().replace("-", "_") for name in fields)


def _headers(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = _FIELDS.get
    headers = []
    for key, value in environ.items():
        name = known(key)
        if name is None:
            name = _field(key)
        if name:
            headers.append((name, value if type(value) is str else str(value)))
    for key, name in _PLAIN:
        value = environ.get(key)
        if value:
            headers.append((name, str(value)))
    return headers


def _field(key: str) -> str:
    """The header an environ's key is for; empty when it is for none."""
    name = key[5:].replace("_", "-").lower() if key.startswith("HTTP_") else ""
    if len(_FIELDS) < _REMEMBERED and len(key) <= _LONGEST_KEY:
        _FIELDS[key] = name
    return name


# PEP 3333: without the prefix of the others.
_PLAIN: Final = (("CONTENT_TYPE", "content-type"), ("CONTENT_LENGTH", "content-length"))
# What `_field` has said, the first that came: strangers choose the names of headers.
_FIELDS: Final[dict[str, str]] = {}
_REMEMBERED: Final = 512
_LONGEST_KEY: Final = 64


def _content_length(environ: Mapping[str, Any]) -> int | None:
    value = str(environ.get("CONTENT_LENGTH") or "")
    return int(value) if value.isdigit() else None


def _url(environ: Environ) -> str:
    host = environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME')}:{environ.get('SERVER_PORT')}"
    return f"{environ.get('wsgi.url_scheme', 'http')}://{host}{_path(environ)}"
