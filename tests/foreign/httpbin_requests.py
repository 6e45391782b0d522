"""What httpbin is asked: every rule of its URL map with every method, and what deserves more than that.

Nothing here is captured or compared; it only says what goes over the wire.
"""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from spantap.testing.wire import request

# What stands in the place of a rule's parameters. A rule with a parameter that is not here has no
# requests: `of_the_map` raises, and somebody says what to ask.
_VALUES: Final = {
    "anything": "a%20path/with%2Fescapes/caf%C3%A9",
    "n": "5",
    "codes": "418",
    "name": "flavour",
    "value": "aGVsbG8gd29ybGQK",
    "user": "ada",
    "passwd": "correct-horse",
    "qop": "auth",
    "algorithm": "SHA-256",
    "stale_after": "never",
    "delay": "0",
    "etag": "an-etag",
    "numbytes": "30000",
    "offset": "2",
}
_FILES: Final = {"/static/": "favicon.ico", "/flasgger_static/": "swagger-ui.css"}
# Without a seed, with a pause of two seconds, or with nowhere to go, they cannot be compared.
_QUERIES: Final = {
    "/bytes/": "?seed=7",
    "/stream-bytes/": "?seed=7&chunk_size=2",
    "/drip": "?duration=0.1&numbytes=5&delay=0",
    "/redirect-to": "?url=/get&status_code=307",
    "/cookies/set": "?a=1&b=2",
    "/cookies/delete": "?a=&b=",
    "/cache/": "?x=1",
    "/response-headers": "?X-One=1&X-One=2&X-Two=caf%C3%A9",
}
_JSON: Final = {"Content-Type": "application/json"}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_PARTS: Final = {"Content-Type": "multipart/form-data; boundary=cut"}
_MULTIPART: Final = (
    b'--cut\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" + bytes(range(256)) + b"\r\n--cut--\r\n"
)
_BODIES: Final[tuple[tuple[dict[str, str], bytes], ...]] = (
    (_JSON, b'{"name": "ada", "password": "correct-horse", "n": [1, 2.5, null]}'),
    (_JSON, b'{"cut off": '),
    (_JSON, "\u201ctyp\u00f6graphy\u201d".encode()),
    (_FORM, b"a=1&a=2&b=%C3%A9&password=correct-horse"),
    (_PARTS, _MULTIPART),
    (_PARTS, _MULTIPART[:-20]),
    ({"Content-Type": "text/plain; charset=utf-8"}, "caf\u00e9 \u2603\n".encode() * 10),
    ({"Content-Type": "application/octet-stream"}, bytes(range(256)) * 500),
    ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, gzip.compress(b'{"a": 1}', mtime=0)),
    ({}, b"no type at all"),
    ({"Content-Length": "0"}, b""),
    ({"Expect": "100-continue"}, b"asked first"),
    (
        {"Transfer-Encoding": "chunked", "Content-Length": "", **_JSON},
        b'6\r\n{"a": \r\n2;ext=1\r\n1}\r\n0\r\nX-Trailer: 1\r\n\r\n',
    ),
)
_BASIC: Final = base64.b64encode(b"ada:correct-horse").decode()
_GETS: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    *((f"/status/{code}", {}) for code in (200, 201, 204, 205, 206, 301, 302, 304, 400, 401, 402, 404)),
    *(
        (f"/status/{code}", {})
        for code in (405, 406, 407, 410, 429, 451, 500, 502, 503, 599, 700, "x", "200:1")
    ),
    ("/nowhere", {}),
    ("/get/", {}),
    ("//get", {}),
    ("/get?a=1&a=2&empty=&caf%C3%A9=%E2%98%83&token=secret#part", {"X-Twice": "1, 2", "Accept": "*/*"}),
    ("/headers", {"Cookie": "a=1; session=secret", "X-Latin": "caf\xe9", "Authorization": "Bearer secret"}),
    ("/get", {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "a=1"}),
    ("/ip", {"X-Forwarded-For": "203.0.113.9, 10.0.0.1"}),
    ("/get", {"Origin": "http://elsewhere.test"}),
    ("/get?show_env=1", {"X-Forwarded-Proto": "https"}),
    ("/cookies", {"Cookie": 'a=1; b="two words"; a=3'}),
    ("/basic-auth/ada/correct-horse", {"Authorization": f"Basic {_BASIC}"}),
    ("/hidden-basic-auth/ada/correct-horse", {"Authorization": f"Basic {_BASIC}"}),
    ("/basic-auth/ada/wrong", {"Authorization": f"Basic {_BASIC}"}),
    ("/bearer", {"Authorization": "Bearer a.b.c"}),
    ("/digest-auth/auth-int/ada/correct-horse/SHA-512/0", {"Cookie": "stale_after=0; fake=fake_value"}),
    ("/cache", {"If-None-Match": "x"}),
    ("/cache", {"If-Modified-Since": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    ("/etag/an-etag", {"If-None-Match": '"an-etag"'}),
    ("/etag/an-etag", {"If-Match": '"another"'}),
    ("/range/100", {"Range": "bytes=10-19"}),
    ("/range/100", {"Range": "bytes=-5"}),
    ("/range/100", {"Range": "bytes=200-300"}),
    ("/range/0", {}),
    ("/range/40000?chunk_size=100", {}),
    ("/static/favicon.ico", {"Range": "bytes=0-9"}),
    ("/flasgger_static/swagger-ui.js", {"Accept-Encoding": "gzip"}),
    ("/static/missing.css", {}),
    ("/static/..%2fcore.py", {}),
    ("/stream/0", {}),
    ("/stream/100", {}),
    ("/stream-bytes/50000?seed=1&chunk_size=7000", {}),
    ("/bytes/0?seed=1", {}),
    ("/bytes/100000?seed=1", {}),
    ("/bytes/5?seed=nonsense", {}),
    ("/drip?duration=0.2&numbytes=20&code=500", {}),
    ("/drip?numbytes=-1", {}),
    ("/delay/nonsense", {}),
    ("/delay/0.1", {}),
    ("/redirect/1", {}),
    ("/redirect/0", {}),
    ("/redirect/3?absolute=true", {}),
    ("/redirect-to", {}),
    ("/redirect-to?url=http%3A%2F%2Felsewhere.test%2F%3Fa%3D1&status_code=308", {}),
    ("/base64/%FF%FE", {}),
    ("/response-headers?Content-Type=text/plain;%20charset=UTF-8&Server=httpbin", {}),
    ("/links/10/0", {}),
    *(
        ("/image", {"Accept": kind})
        for kind in ("image/webp", "image/svg+xml", "image/jpeg", "image/*", "text/x")
    ),
    ("/gzip", {"Accept-Encoding": "gzip, deflate, br"}),
    ("/health", {}),
    ("/favicon.ico", {}),
)


def of_the_map(rules: Iterable[tuple[str, Sequence[str]]]) -> Iterator[bytes]:
    """A request for every rule and method.

    Args:
        rules: Werkzeug's: the pattern and its methods.

    Raises:
        KeyError: a rule with a parameter nobody has thought of.
    """
    for rule, methods in rules:
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: _value(rule, found[1]), rule)  # noqa: B023 - used now
        query = next((query for begin, query in _QUERIES.items() if path.startswith(begin)), "")
        for method in methods:
            yield request(method, path + query, last=True)


def of_our_own() -> Iterator[bytes]:
    """Requests with what no rule tells of: bodies, headers, mistakes."""
    for path, headers in _GETS:
        yield request("GET", path, headers, last=True)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for headers, body in _BODIES:
            wanted = {name: value for name, value in headers.items() if name != "Content-Length" or value}
            chunked = "Transfer-Encoding" in headers
            sent = request(method, f"/{method.lower()}", wanted, b"" if chunked else body, last=True)
            yield sent + body if chunked else sent
            yield sent.replace(f"/{method.lower()}".encode(), b"/anything/x?y=z", 1) + body * chunked
    yield request("POST", "/status/500", _JSON, b'{"a": 1}', last=True)
    yield request("POST", "/get", _FORM, b"not=allowed", last=True)
    yield request("BREW", "/anything", last=True)
    yield request("GET", "/get", last=True).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    yield request("GET", "/stream/3", last=True).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    yield request("GET", "http://httpbin.test/get?absolute=form", last=True)


def _value(rule: str, name: str) -> str:
    if name == "filename":
        return next(file for begin, file in _FILES.items() if rule.startswith(begin))
    return _VALUES[name]
