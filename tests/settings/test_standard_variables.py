"""The standard variables at work: a real app and its client in a process, a real collector beside it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from receivers.otlp_grpc import receiving
from receivers.otlp_http import OTLPReceiver, attributes, server_spans
from spantap.export.sqlite import SQLiteSink
from spantap.model import ConfigurationError
from spantap.settings import read

TESTS = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
GET = ["GET", "/a", {"x-tribe": "blue", "user-agent": "a-rather-long-name-of-a-client/1.0"}]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


class Ran:
    """One process that served the requests of a plan and ended.

    Attributes:
        told: what it says of itself.
        output: what it printed.
    """

    def __init__(
        self, folder: Path, *plan: Any, framework: str = "wsgi", under: str = "", **environ: str
    ) -> None:
        # requests lets a bundle in its own variables win over the certificate it is given.
        others = ("OTEL_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        done = subprocess.run(
            [
                *([BIN / under] if under else []),
                sys.executable,
                str(TESTS / "one_process.py"),
                framework,
                json.dumps(plan),
            ],
            cwd=folder,
            env={**clean, **environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self.output = done.stdout
        self.told = json.loads((folder / "told.json").read_text())
        assert set(self.told["statuses"]) <= {200, 500}


@pytest.fixture
def receiver() -> Iterator[OTLPReceiver]:
    with OTLPReceiver() as listening:
        yield listening


@pytest.fixture
def silent() -> Iterator[str]:
    """A collector that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def requests_in(receiver: OTLPReceiver) -> list[ExportTraceServiceRequest]:
    return [ExportTraceServiceRequest.FromString(body) for body in receiver.bodies]


def batches(receiver: OTLPReceiver) -> list[int]:
    return [len(request.resource_spans[0].scope_spans[0].spans) for request in requests_in(receiver)]


def test_who_the_service_is(tmp_path: Path, receiver: OTLPReceiver) -> None:
    """OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES name the service at the collector."""
    Ran(
        tmp_path,
        GET,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_SERVICE_NAME="shop",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test,service.name=hidden",
    )

    (request,) = requests_in(receiver)
    resource = {each.key: each.value.string_value for each in request.resource_spans[0].resource.attributes}
    assert resource["service.name"] == "shop"
    assert resource["deployment.environment.name"] == "test"


def test_where_and_how_traces_are_sent(tmp_path: Path, receiver: OTLPReceiver) -> None:
    """_TRACES_ENDPOINT is taken as it is and wins; _HEADERS and _COMPRESSION are sent along."""
    Ran(
        tmp_path,
        GET,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{receiver.url}/by/another/path",
        OTEL_EXPORTER_OTLP_HEADERS="x-team=blue,authorization=Bearer%20of-ours",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
    )

    (delivery,) = receiver.deliveries
    assert delivery.path == "/by/another/path"
    assert delivery.headers["x-team"] == "blue"
    assert delivery.headers["authorization"] == "Bearer of-ours"
    assert delivery.headers["content-encoding"] == "gzip"
    assert batches(receiver) == [1]


def test_over_grpc(tmp_path: Path) -> None:
    """OTEL_EXPORTER_OTLP_PROTOCOL=grpc speaks gRPC, with the same headers, compressed."""
    with receiving() as receiver:
        Ran(
            tmp_path,
            GET,
            ["flush", 30],
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_HEADERS="x-team=blue",
            OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        )

    (request,) = receiver.requests
    assert len(request.resource_spans[0].scope_spans[0].spans) == 1
    assert receiver.metadata[0]["x-team"] == "blue"


def self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for the loopback address, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "collector")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "ca.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


@pytest.mark.parametrize(("trusted", "exported"), [(True, 1), (False, 0)])
def test_over_tls(tmp_path: Path, trusted: bool, exported: int) -> None:
    """_CERTIFICATE names whom to trust; a collector nobody vouches for gets nothing."""
    public, context = self_signed(tmp_path)
    with OTLPReceiver(context) as receiver:
        trust = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(public)} if trusted else {}
        Ran(
            tmp_path,
            GET,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_EXPORTER_OTLP_TIMEOUT="2",
            **trust,
        )

    assert len(receiver.deliveries) == exported


@pytest.mark.parametrize(
    "variable",
    [
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "0.3"},
        {"OTEL_BSP_EXPORT_TIMEOUT": "300"},
        {"OTEL_BSP_EXPORT_TIMEOUT": "300", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_a_silent_collector_is_given_up(tmp_path: Path, silent: str, variable: dict[str, str]) -> None:
    """_TIMEOUT (seconds) and OTEL_BSP_EXPORT_TIMEOUT (milliseconds) end a try, far below its 10 s."""
    ran = Ran(tmp_path, GET, ["flush", 6], ["die"], OTEL_EXPORTER_OTLP_ENDPOINT=silent, **variable)

    otlp = ran.told["destinations"]["otlp"]
    assert (otlp["queued"], otlp["dropped"]) == (1, {})
    assert otlp["failures"] >= 2


def test_a_list_of_exporters(tmp_path: Path, receiver: OTLPReceiver) -> None:
    """OTEL_TRACES_EXPORTER lists where it goes; what is not listed gets nothing."""
    ran = Ran(
        tmp_path,
        GET,
        OTEL_TRACES_EXPORTER="otlp, spantap_jsonl",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
    )

    assert len(receiver.spans()) == 1
    assert set(ran.told["destinations"]) == {"otlp", "jsonl"}
    assert len((tmp_path / "spantap.jsonl").read_text().splitlines()) == 1
    assert not (tmp_path / "spantap.db").exists()


def test_no_exporter(tmp_path: Path, receiver: OTLPReceiver) -> None:
    """OTEL_TRACES_EXPORTER=none sends nothing and stores nothing, whatever the endpoint."""
    ran = Ran(tmp_path, GET, OTEL_TRACES_EXPORTER="none", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)

    assert ran.told["destinations"] == {}
    assert receiver.deliveries == []
    assert [each.name for each in tmp_path.iterdir()] == ["told.json"]


def test_the_console(tmp_path: Path) -> None:
    """OTEL_TRACES_EXPORTER=console prints the clean span."""
    ran = Ran(
        tmp_path,
        ["GET", "/a?token=s3cret", {"authorization": "Bearer s3cret"}],
        OTEL_TRACES_EXPORTER="console",
    )

    assert json.loads(ran.output)["attributes"]["http.request.header.authorization"] == ["Bearer [REDACTED]"]
    assert "s3cret" not in ran.output


@pytest.mark.parametrize(
    ("sampler", "argument", "parent", "exported"),
    [
        ("always_off", "", {}, 0),
        ("traceidratio", "0", {}, 0),
        ("traceidratio", "1", {}, 1),
        ("parentbased_always_off", "", PARENT, 1),
    ],
)
def test_the_sampler(
    tmp_path: Path, receiver: OTLPReceiver, sampler: str, argument: str, parent: dict[str, str], exported: int
) -> None:
    """OTEL_TRACES_SAMPLER and its _ARG decide what the collector gets; the store has it either way."""
    Ran(
        tmp_path,
        ["GET", "/a", parent],
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_PYTHON_SPANTAP_SQLITE_PATH="all.db",
        OTEL_TRACES_SAMPLER=sampler,
        OTEL_TRACES_SAMPLER_ARG=argument,
    )

    assert len(receiver.spans()) == exported
    assert [each.sampled for each in SQLiteSink(tmp_path / "all.db").read()] == [bool(exported)]


@pytest.mark.setting("capture_unsampled")
@pytest.mark.parametrize(("choice", "exported", "stored"), [("own", 0, 1), ("all", 1, 1), ("none", 0, 0)])
def test_what_becomes_of_unsampled_exchanges(
    tmp_path: Path, receiver: OTLPReceiver, choice: str, exported: int, stored: int
) -> None:
    """CAPTURE_UNSAMPLED: our stores only, the collector too, or nobody."""
    Ran(
        tmp_path,
        GET,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_PYTHON_SPANTAP_JSONL_PATH="all.jsonl",
        OTEL_PYTHON_SPANTAP_CAPTURE_UNSAMPLED=choice,
        OTEL_TRACES_SAMPLER="always_off",
    )

    assert len(receiver.spans()) == exported
    store = tmp_path / "all.jsonl"
    assert (len(store.read_text().splitlines()) if store.exists() else 0) == stored


@pytest.mark.parametrize(
    ("limit", "events"),
    [
        ({}, [4]),
        ({"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "2"}, [2]),
        ({"OTEL_SPAN_EVENT_COUNT_LIMIT": "0"}, []),
    ],
)
def test_limits_of_events(
    tmp_path: Path, receiver: OTLPReceiver, limit: dict[str, str], events: list[int]
) -> None:
    """The limits of events hold for the exception of a request that failed."""
    Ran(tmp_path, ["GET", "/fail", {}], OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, **limit)

    assert [len(event.attributes) for event in receiver.spans()[0].events] == events


def test_the_size_of_a_batch(tmp_path: Path, receiver: OTLPReceiver) -> None:
    """OTEL_BSP_MAX_EXPORT_BATCH_SIZE is the most spans one request to the collector holds."""
    Ran(
        tmp_path,
        *[GET] * 5,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="2",
        OTEL_BSP_SCHEDULE_DELAY="600000",
    )

    assert batches(receiver) == [2, 2, 1]


def test_how_long_a_batch_waits(tmp_path: Path, receiver: OTLPReceiver) -> None:
    """OTEL_BSP_SCHEDULE_DELAY (milliseconds) is how long the first span of a batch waits for others."""
    Ran(
        tmp_path,
        GET,
        ["sleep", 1.5],
        GET,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_BSP_SCHEDULE_DELAY="600000",
    )

    assert batches(receiver) == [2]


@pytest.mark.parametrize(
    ("ours", "lost"), [({}, True), ({"OTEL_PYTHON_SPANTAP_QUEUE_MAX_ITEMS": "50"}, False)]
)
def test_how_much_waits(tmp_path: Path, silent: str, ours: dict[str, str], lost: bool) -> None:
    """OTEL_BSP_MAX_QUEUE_SIZE bounds what waits, unless QUEUE_MAX_ITEMS is set."""
    ran = Ran(
        tmp_path,
        *[GET] * 10,
        ["die"],
        OTEL_EXPORTER_OTLP_ENDPOINT=silent,
        OTEL_EXPORTER_OTLP_TIMEOUT="90",
        OTEL_BSP_MAX_QUEUE_SIZE="3",
        **ours,
    )

    assert (ran.told["destinations"]["otlp"]["dropped"].get("queue_full", 0) >= 4) is lost


def test_how_many_attributes(tmp_path: Path, receiver: OTLPReceiver) -> None:
    """OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT holds for what the collector gets; what matters most stays."""
    headers = {f"x-number-{number}": "v" for number in range(20)}
    Ran(
        tmp_path,
        ["GET", "/a", headers],
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="16",
        OTEL_PYTHON_SPANTAP_SQLITE_PATH="all.db",
    )

    (span,) = receiver.spans()
    kept = attributes(span)
    assert 10 < len(kept) <= 16
    assert (kept["http.request.method"], kept["url.path"], kept["http.response.status_code"]) == (
        "GET",
        "/a",
        200,
    )
    assert span.dropped_attributes_count > 0
    (stored,) = SQLiteSink(tmp_path / "all.db").read()
    assert len(stored.request.headers) > 20


@pytest.mark.parametrize(
    "variable", ["OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"]
)
def test_how_long_a_value_is(tmp_path: Path, receiver: OTLPReceiver, variable: str) -> None:
    """A limit on the length of values cuts what the collector gets, bodies included, and says so."""
    Ran(
        tmp_path,
        GET,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_PYTHON_SPANTAP_SQLITE_PATH="all.db",
        **{variable: "20"},
    )

    kept = attributes(receiver.spans()[0])
    assert max(len(value) for value in kept.values() if isinstance(value, str)) == 20
    assert kept["http.response.body.content"] == '{"word":"wwwwwwwwwww'
    assert kept["spantap.response.body.truncated"] is True
    (stored,) = SQLiteSink(tmp_path / "all.db").read()
    assert len(str(stored.response.body.content)) > 300


@pytest.mark.parametrize(("propagators", "joined"), [("tracecontext", True), ("baggage", False)])
def test_how_traces_arrive(tmp_path: Path, receiver: OTLPReceiver, propagators: str, joined: bool) -> None:
    """OTEL_PROPAGATORS says which headers carry the trace."""
    Ran(
        tmp_path,
        ["GET", "/a", PARENT],
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_PROPAGATORS=propagators,
    )

    assert (receiver.spans()[0].trace_id.hex() == TRACE) is joined


@pytest.mark.parametrize("framework", ["fastapi", "starlette", "flask", "django", "asgi", "wsgi"])
def test_excluded_urls(tmp_path: Path, receiver: OTLPReceiver, framework: str) -> None:
    """OTEL_PYTHON_<FRAMEWORK>_EXCLUDED_URLS goes before the list for all, in every framework."""
    common = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_PYTHON_EXCLUDED_URLS": "internal",
        "OTEL_PYTHON_SPANTAP_SQLITE_PATH": "all.db",
    }
    own = {f"OTEL_PYTHON_{framework.upper()}_EXCLUDED_URLS": "private"}
    plan = [["GET", "/internal/x", {}], ["GET", "/private/x", {}]]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()

    Ran(tmp_path / "one", *plan, framework=framework, **common)
    Ran(tmp_path / "two", *plan, framework=framework, **common, **own)

    paths = [attributes(span)["url.path"] for span in server_spans(receiver.spans())]
    assert paths == ["/private/x", "/internal/x"]
    for folder, path in (("one", "/private/x"), ("two", "/internal/x")):
        assert [each.request.path for each in SQLiteSink(tmp_path / folder / "all.db").read()] == [path]


def test_headers_to_sanitize(tmp_path: Path, receiver: OTLPReceiver) -> None:
    """_SANITIZE_FIELDS masks further headers by expression, also ones that usually stay readable."""
    Ran(
        tmp_path,
        GET,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_PYTHON_SPANTAP_SQLITE_PATH="all.db",
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS="X-TR.*,^host$",
    )

    kept = attributes(receiver.spans()[0])
    assert kept["http.request.header.x-tribe"] == ["[REDACTED]"]
    assert kept["http.request.header.host"] == ["[REDACTED]"]
    assert kept["http.request.header.accept-encoding"] == ["identity"]
    (stored,) = SQLiteSink(tmp_path / "all.db").read()
    assert stored.request.headers["x-tribe"] == ("[REDACTED]",)


def test_headers_to_capture(tmp_path: Path) -> None:
    """With HEADERS off only the listed ones are captured, redacted as ever."""
    Ran(
        tmp_path,
        ["GET", "/a", {"x-tribe": "blue", "authorization": "Bearer s3cret-token"}],
        OTEL_PYTHON_SPANTAP_HEADERS="false",
        OTEL_PYTHON_SPANTAP_SQLITE_PATH="all.db",
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST="X-Tr.*,authorization",
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE="content",
    )

    (stored,) = SQLiteSink(tmp_path / "all.db").read()
    assert dict(stored.request.headers) == {
        "x-tribe": ("blue",),
        "authorization": ("Bearer [REDACTED]",),
    }
    assert dict(stored.response.headers) == {}  # a whole name, not a part of one


def test_switched_off(tmp_path: Path, receiver: OTLPReceiver) -> None:
    """OTEL_SDK_DISABLED leaves the app alone: no span, no file."""
    Ran(tmp_path, GET, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_SDK_DISABLED="true")

    assert receiver.deliveries == []
    assert [each.name for each in tmp_path.iterdir()] == ["told.json"]


ZERO_CODE = {"OTEL_PYTHON_DISTRO": "spantap", "OTEL_PYTHON_CONFIGURATOR": "spantap"}
INSTRUMENT = "opentelemetry-instrument"


@pytest.mark.parametrize("under", [INSTRUMENT, ""])
@pytest.mark.parametrize(("share", "exported"), [("0", 0), ("1", 1)])
def test_our_sampler(tmp_path: Path, receiver: OTLPReceiver, share: str, exported: int, under: str) -> None:
    """OTEL_TRACES_SAMPLER=spantap samples the share its _ARG says, with zero code and in code."""
    Ran(
        tmp_path,
        GET,
        under=under,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_TRACES_SAMPLER="spantap",
        OTEL_TRACES_SAMPLER_ARG=share,
        **ZERO_CODE,
    )

    assert len(server_spans(receiver.spans())) == exported


@pytest.mark.setting("trace_sampler")
@pytest.mark.parametrize("under", [INSTRUMENT, ""])
@pytest.mark.parametrize("ours", [True, False])
def test_our_sampler_by_path(tmp_path: Path, receiver: OTLPReceiver, under: str, ours: bool) -> None:
    """TRACE_SAMPLER, or the sampler's _ARG: rates of some and a limit, with zero code and in code."""
    wanted = "0,route:/orders/{id}=1,limit=100"
    standard = {"OTEL_TRACES_SAMPLER": "spantap", "OTEL_TRACES_SAMPLER_ARG": wanted}
    Ran(
        tmp_path,
        ["GET", "/orders/7", {}],
        ["GET", "/other", {}],
        under=under,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_PYTHON_SPANTAP_SQLITE_PATH="all.db",
        **({"OTEL_PYTHON_SPANTAP_TRACE_SAMPLER": wanted} if ours else standard),
        **ZERO_CODE,
    )

    assert len(server_spans(receiver.spans())) == 1
    stored = {each.request.path: each.sampled for each in SQLiteSink(tmp_path / "all.db").read()}
    assert stored == {"/orders/7": True, "/other": False}


@pytest.mark.parametrize(
    ("opt_in", "names"),
    [
        ({}, {"http.request.method"}),
        ({"OTEL_SEMCONV_STABILITY_OPT_IN": "http/dup"}, {"http.request.method", "http.method"}),
    ],
)
def test_the_names_on_other_spans(
    tmp_path: Path, receiver: OTLPReceiver, opt_in: dict[str, str], names: set[str]
) -> None:
    """Under our distro others use the stable names, unless OTEL_SEMCONV_STABILITY_OPT_IN is set."""
    Ran(
        tmp_path,
        ["GET", "/call", {}],
        under=INSTRUMENT,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        **ZERO_CODE,
        **opt_in,
    )

    client = {span.span_id: span for span in receiver.spans() if span.kind == Span.SpanKind.SPAN_KIND_CLIENT}
    (span,) = client.values()
    assert set(attributes(span)) & {"http.request.method", "http.method"} == names


@pytest.mark.parametrize("disabled", ["", "requests,urllib3"])
def test_other_instrumentations_can_be_disabled(
    tmp_path: Path, receiver: OTLPReceiver, disabled: str
) -> None:
    """OTEL_PYTHON_DISABLED_INSTRUMENTATIONS takes those it names away and leaves ours."""
    Ran(
        tmp_path,
        ["GET", "/call", {}],
        under=INSTRUMENT,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=disabled,
        **ZERO_CODE,
    )

    assert len(server_spans(receiver.spans())) == 1
    assert len(receiver.spans()) == (1 if disabled else 2)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("OTEL_BSP_SCHEDULE_DELAY", "soon", "whole number, 1 or more"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "whole number, 1 or more"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9", "larger than the queue"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "-1", "whole number, 1 or more"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "many", "whole number, 0 or more"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "-1", "whole number, 0 or more"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "1.5", "whole number, 0 or more"),
        ("OTEL_TRACES_SAMPLER", "alway_on", "did you mean always_on?"),
        ("OTEL_TRACES_SAMPLER_ARG", "all", "a number from 0 to 1"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "ten", "number of seconds"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "none, gzip, deflate"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/nowhere.pem", "no such file"),
        ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS", "(", "not a regular expression"),
    ],
)
def test_mistakes_are_told_at_start_up(tmp_path: Path, variable: str, value: str, told: str) -> None:
    """A wrong standard variable is named at start-up, where it would fail only at an export."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", variable: value}
    environ.setdefault("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    if "BATCH" in variable:
        environ["OTEL_BSP_MAX_QUEUE_SIZE"] = "8"

    with pytest.raises(ConfigurationError) as caught:
        read({}, environ, tmp_path)

    (problem,) = caught.value.problems
    assert problem.setting == variable
    assert told in problem.remedy
