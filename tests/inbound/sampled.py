"""Rows of what sampling keeps, and apps to play them on; run as a program for Django.

    sampled.py wsgi|asgi

Django's settings are its process's, so that it has one of its own; it prints what came of each row.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spantap
from over_the_wire import ask, served
from spantap.export.memory import MemorySink

LOW = "3c35612e4a8d15d81d296588571ceeee"  # within a rate of 0.06
HIGH = "69dd649317788b9503b96d91aba018ea"  # not within 0.95
USER = {"X-User": "42"}
CLAIMS = base64.urlsafe_b64encode(b'{"sub":"42"}').decode().rstrip("=")
OUT = {"sampled_out": 1}


@dataclass(frozen=True)
class Row:
    """One request, under some settings.

    Attributes:
        settings, path, headers, trace, sampled: of the request; sampled is what its caller says.
        kept: weight and reason of the record; None when there is none.
        counts: what `stats()` says was not kept.
        only: doors it is for; all when empty.
    """

    settings: dict[str, Any]
    path: str = "/orders/7"
    headers: dict[str, str] = field(default_factory=dict)
    trace: str = HIGH
    sampled: bool = True
    kept: tuple[float, str | None] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    only: tuple[str, ...] = ()


def tenth(**more: Any) -> dict[str, Any]:
    return {"capture_sample_rate": 0.1, **more}


def nothing_but(rates: str, **more: Any) -> dict[str, Any]:
    return {"capture_sample_rate": 0, "capture_rates": rates, **more}


BRACES = ("starlette", "fastapi")
ANGLES = ("flask", "django")
NAMED = BRACES + ANGLES
ROWS = [
    Row({}, kept=(1, None)),
    Row({}, sampled=False, kept=(1, None)),
    # The rate, and what the head has to do with it: nothing.
    Row(tenth(), trace=LOW, kept=(10, "rate")),
    Row(tenth(), trace=LOW, sampled=False, kept=(10, "rate")),
    Row(tenth(), counts=OUT),
    Row(tenth(), sampled=False, counts=OUT),
    Row(tenth(capture_unsampled="none"), trace=LOW, sampled=False, counts={"unsampled": 1}),
    # Always.
    Row(tenth(), "/fail", kept=(1, "error")),
    Row(tenth(), "/fail", sampled=False, kept=(1, "error")),
    Row(tenth(), "/fail", trace=LOW, kept=(1, "error")),
    Row(tenth(capture_always_on="none"), "/fail", counts=OUT),
    Row(tenth(capture_always_on="none"), "/fail", sampled=False, counts=OUT),
    Row(tenth(capture_always_on="slow:0.001"), kept=(1, "slow")),
    Row(tenth(capture_always_on="slow:60000"), counts=OUT),
    Row(tenth(capture_always_on="header:X-Debug"), headers={"x-debug": "1"}, kept=(1, "header")),
    Row(tenth(capture_always_on="header:X-Debug"), counts=OUT),
    # The app's own word.
    Row({"capture_sample_rate": 0}, "/keep", kept=(1, "keep")),
    Row({"capture_sample_rate": 0}, "/keep", sampled=False, kept=(1, "keep")),
    Row(tenth(), "/skip", trace=LOW, counts={"skipped": 1}),
    Row(tenth(exclude_urls=["/orders/*"]), trace=LOW, counts={"not_selected": 1}),
    # Rates of some.
    Row(nothing_but("path:/orders/7=0.5"), trace=LOW, kept=(2, "rate")),
    Row(nothing_but("path:/orders/7=0.5"), counts=OUT),
    Row(nothing_but("path:/orders/*=1"), kept=(1, "rate")),
    Row(nothing_but("path:re:^/ord=1"), kept=(1, "rate")),
    Row(nothing_but("path:/orders=1"), counts=OUT),
    Row(nothing_but("route:/orders/{id}=1"), kept=(1, "rate"), only=BRACES),
    Row(nothing_but("route:/orders/<int:id>=1"), kept=(1, "rate"), only=ANGLES),
    Row(nothing_but("route:/orders/*=1"), sampled=False, kept=(1, "rate"), only=NAMED),
    Row(nothing_but("route:*=1"), "/nowhere", counts=OUT),
    Row(nothing_but("endpoint:orders=1"), kept=(1, "rate"), only=NAMED),
    Row(nothing_but("user:42=1"), headers=USER, kept=(1, "rate")),
    Row(nothing_but("user:42=1"), headers=USER, sampled=False, kept=(1, "rate")),
    Row(nothing_but("user:42=1"), counts=OUT),
    Row(nothing_but("user:42=1"), headers={"X-User": "421"}, counts=OUT),
    Row(nothing_but("user:42=1"), headers={"Authorization": f"Bearer h.{CLAIMS}.s"}, kept=(1, "rate")),
    Row(nothing_but("company:ac*=0.5"), headers={"X-Company": "acme"}, trace=LOW, kept=(2, "rate")),
    Row(nothing_but("status:404=1"), "/nowhere", kept=(1, "rate")),
    Row(nothing_but("status:404=1"), counts=OUT),
    Row(nothing_but("method:GET=1"), kept=(1, "rate")),
    Row(nothing_but("user-agent:*Probe*=1"), headers={"User-Agent": "a probe"}, kept=(1, "rate")),
    Row(nothing_but("content-type:text/plain=1"), kept=(1, "rate")),
    Row(nothing_but("slower:60000=1"), counts=OUT),
    # Which of them.
    Row({"capture_rates": "user:42=1,company:acme=0,path:/orders/7=0"}, headers=USER, kept=(1, "rate")),
    Row({"capture_rates": "user:42=0,path:/orders/7=1"}, headers=USER, counts=OUT),
    Row({"capture_rates": "path:/orders/7=1,path:/*=0"}, kept=(1, "rate")),
    Row({"capture_rates": "path:/*=0,path:/orders/*=1"}, kept=(1, "rate")),
    Row({"capture_rates": "user:42=0"}, "/fail", headers=USER, kept=(1, "error")),
]


def answer(path: str, user: str | None, company: str | None) -> str:
    """What the app of every door does; the text it answers with."""
    current = spantap.current()
    if user is not None:
        current.user(user)
    if company is not None:
        current.company(company)
    if path == "/fail":
        raise ValueError("as asked")
    if path == "/keep":
        current.keep()
    if path == "/skip":
        current.skip()
    return "it is here"


def play(app: Any, rows: list[Row], *, wsgi: bool) -> Iterator[dict[str, Any]]:
    """What comes of each row on an app: the record, the counts, what the app's exporter got."""
    handle = spantap.configure(destinations=[MemorySink()])
    app = spantap.instrument_app(app)  # asks for the capture in force with each request
    handle.shutdown(1)
    with served(app, wsgi=wsgi) as port:
        for row in rows:
            memory, exporter = MemorySink(), InMemorySpanExporter()
            provider = TracerProvider(shutdown_on_exit=False)
            provider.add_span_processor(SimpleSpanProcessor(exporter))
            handle = spantap.configure(destinations=[memory], tracer_provider=provider, **row.settings)
            traceparent = f"00-{row.trace}-00f067aa0ba902b7-0{int(row.sampled)}"
            got = ask(port, row.path, {**row.headers, "traceparent": traceparent})
            handle.tap.wait_for_open(30)
            assert handle.flush(30)
            records = memory.read()
            spans = [dict(each.attributes or {}) for each in exporter.get_finished_spans()]
            yield {
                "status": int(got.split(b" ")[1]),
                "kept": [[each.weight, each.capture_reason] for each in records],
                "whole": [bool(each.response.body.content) for each in records],
                "counts": dict(handle.stats().not_kept),
                "spans": len(spans),
                "written": [
                    each.get("spantap.weight", 1) for each in spans if "spantap.record.version" in each
                ],
            }
            handle.shutdown(1)


def check(row: Row, came: dict[str, Any]) -> None:
    """Hold what came of a row against it."""
    status = {"/fail": 500, "/nowhere": 404}.get(row.path, 200)
    assert came["status"] == status
    assert came["kept"] == ([] if row.kept is None else [list(row.kept)])
    assert status != 200 or all(came["whole"])
    assert came["counts"] == row.counts
    assert came["spans"] == int(row.sampled)
    assert came["written"] == ([row.kept[0]] if row.sampled and row.kept else [])


def orders(request: Any, id: int = 0) -> Any:  # noqa: A002
    from django.http import HttpResponse

    said = answer(request.path, request.headers.get("x-user"), request.headers.get("x-company"))
    return HttpResponse(said, content_type="text/plain")


def main(kind: str) -> None:
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application
    from django.urls import path

    urlpatterns.append(path("orders/<int:id>", orders, name="orders"))
    urlpatterns.extend(path(name, orders) for name in ("fail", "keep", "skip"))
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x", LOGGING_CONFIG=None)
    django.setup()
    make: Callable[[], Any] = get_wsgi_application if kind == "wsgi" else get_asgi_application
    rows = [Row(**each) for each in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(list(play(make(), rows, wsgi=kind == "wsgi"))))


urlpatterns: list[Any] = []


def as_json(rows: list[Row]) -> str:
    """The rows, for another process."""
    return json.dumps([asdict(row) for row in rows])


if __name__ == "__main__":
    main(sys.argv[1])
