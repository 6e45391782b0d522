"""Batches of exchanges posted to an HTTP collector.

Everything of HTTP is the work of `requests`, which the OTLP exporter brings along: TLS, proxies
(``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY``), connections that stay open.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from spantap.export import formats
from spantap.export.address import Address
from spantap.export.outcome import RefusedError, TryLaterError, not_kept, refusal, root_cause
from spantap.export.packing import packer
from spantap.model import Exchange
from spantap.policy.destination import DestinationPolicy
from spantap.version import __version__

if TYPE_CHECKING:
    import requests

_MOST_SAID: Final = 64 * 1024  # bytes of an answer that are read
_OURS: Final = ("content-type", "content-encoding", "content-length", "host", "idempotency-key", "user-agent")


class HTTPSink:
    """Posts batches to a URL, one request each, over a connection that is kept.

    A batch sent again has the same ``Idempotency-Key``: it is made of the ids of its exchanges. An
    answer 2xx means taken; as JSON it may say how many were not: ``{"rejected": 1, "duplicates": 2}``.

    Attributes:
        name: ``http``.
        batch_size, flush_interval: exchanges a batch has at most and seconds its first one waits; None
            is as for all destinations.
        policy: which exchanges it gets, and which fields of them.
    """

    name = "http"
    remote = True

    def __init__(
        self,
        url: str | Address,
        *,
        format: str | formats.Format = "spantap",  # noqa: A002 - the setting's name
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        compression: str = "none",
        timeout: float = 10.0,
        certificate: str | os.PathLike[str] | None = None,
        client_certificate: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
        client_id: str | None = None,
        batch_size: int | None = None,
        flush_interval: float | None = None,
        policy: DestinationPolicy | None = None,
    ) -> None:
        """Args:
        url: where to; user and password in it become Basic, a user alone a Bearer token.
        format: a name of `spantap.export.formats`, or an object like those.
        headers: sent with each request.
        token: sent as ``Authorization: Bearer ...``.
        compression: ``none``, ``gzip`` or ``zstd``.
        timeout: seconds to connect, and seconds the collector may be silent.
        certificate: file with the authorities to trust, instead of the usual ones.
        client_certificate, client_key: files to show who we are; the key may be in the first.
        client_id: sent as ``Spantap-Client-Id``.
        batch_size, flush_interval, policy: see the class.

        Raises:
            ValueError: the URL is none.
            LookupError: there is no such format.
            ImportError: the compression needs a library; the message says how to get it.
        """
        self._address = Address.parse(url, "http", "https") if isinstance(url, str) else url
        self._format = formats.named(format) if isinstance(format, str) else format
        self._pack = packer(compression)
        self._timeout = timeout
        self._verify = True if certificate is None else os.fspath(certificate)
        self._cert = _pair(client_certificate, client_key)
        self.policy = policy
        self.batch_size = batch_size
        self.flush_interval = flush_interval
        sent = {
            "Content-Type": self._format.media_type,
            "Content-Encoding": None if compression == "none" else compression,
            "User-Agent": f"spantap/{__version__}",
            "Spantap-Client-Id": client_id,
            "Authorization": self._address.authorization(token),
            **{name: value for name, value in (headers or {}).items() if name.lower() not in _OURS},
        }
        self._headers = {name: value for name, value in sent.items() if value is not None}
        self._session: requests.Session | None = None
        self._pid = 0

    @property
    def target(self) -> str:
        """The URL without secrets."""
        return str(self._address)

    def write(self, exchanges: Sequence[Exchange], /) -> Mapping[str, int]:
        """Post the batch, in one try; returns and raises as `spantap.export.sink.Sink` says."""
        body = self._pack(self._format.encode(exchanges))
        status, headers, said = self._post(body, key_of(exchanges), self._timeout)
        if not 200 <= status < 300:
            raise refusal(status, headers.get("retry-after"))
        return _counts(headers.get("content-type", ""), said, len(exchanges))

    def probe(self, seconds: float) -> str | None:
        """Send an empty batch; what is wrong with the collector, None when it answers as one."""
        try:
            status, _, _ = self._post(self._pack(self._format.encode([])), key_of([]), seconds)
        except (TryLaterError, RefusedError) as error:
            return str(error)
        # An empty batch may be no batch to it.
        return None if 200 <= status < 300 or status in (400, 422) else f"answers {status}"

    def close(self) -> None:
        """Close the connection."""
        if self._session is not None and self._pid == os.getpid():
            self._session.close()
        self._session = None

    def _post(self, body: bytes, key: str, timeout: float) -> tuple[int, Mapping[str, str], bytes]:
        import requests  # a tenth of a second: only for those who use it, and on the worker

        try:
            with self._opened().post(
                self._address.url,
                data=body,
                headers={**self._headers, "Idempotency-Key": f'"{key}"'},
                timeout=timeout,
                verify=self._verify,
                cert=self._cert,
                allow_redirects=False,  # what is private goes to no other place than was said
                stream=True,
            ) as answer:
                # Read to its end, the connection can be used again.
                said = next(answer.iter_content(_MOST_SAID), b"")
                return answer.status_code, answer.headers, said
        except requests.RequestException as error:
            if isinstance(error, ValueError):
                raise RefusedError(root_cause(error)) from None
            raise TryLaterError(root_cause(error)) from None
        except (OSError, ssl.SSLError) as error:  # a certificate that cannot be read
            raise TryLaterError(root_cause(error)) from None

    def _opened(self) -> requests.Session:
        import requests

        if self._session is None or self._pid != os.getpid():
            self._session, self._pid = requests.Session(), os.getpid()
            # Who we are is said in our headers: requests looks into ~/.netrc otherwise.
            self._session.auth = _as_it_is
            # Where it redirects to is not asked: requests would read all of the answer for that.
            setattr(self._session, "get_redirect_target", _nowhere)  # noqa: B010 - typed as a method
        return self._session


def key_of(exchanges: Sequence[Exchange]) -> str:
    """What a batch is known by: the same for the same exchanges, whoever sends them, whenever."""
    ids = "".join(each.trace_id + each.span_id for each in exchanges)
    return hashlib.sha256(ids.encode()).hexdigest()[:32]


def _as_it_is(request: Any) -> Any:
    return request


def _nowhere(answer: Any) -> None:
    return None


def _pair(
    certificate: str | os.PathLike[str] | None, key: str | os.PathLike[str] | None
) -> str | tuple[str, str] | None:
    if certificate is None:
        return None
    return os.fspath(certificate) if key is None else (os.fspath(certificate), os.fspath(key))


def _counts(media_type: str, said: bytes, sent: int) -> Mapping[str, int]:
    """What the collector says it did not keep; nothing when that cannot be read."""
    if not media_type.partition(";")[0].strip().endswith("json") or not said:
        return {}
    try:
        answer = orjson.loads(said)
    except ValueError:
        return {}
    if not isinstance(answer, dict):
        return {}
    rejected = min(_number(answer.get("rejected")), sent)
    return not_kept(rejected=rejected, duplicate=min(_number(answer.get("duplicates")), sent - rejected))


def _number(value: Any) -> int:
    return value if type(value) is int and value > 0 else 0
