"""Every request becomes one SERVER span and one record, whole and clean of secrets."""

from __future__ import annotations

import json
from typing import Any

from contracts.inbound.apps import answers
from contracts.inbound.choose import doors
from contracts.inbound.placements import OWN_PROVIDER
from contracts.inbound.visit import CROWD, SECRETS, Visit

POSTS = ("first", "second", "last", "parent", *CROWD)
ROUTES = {
    "fastapi": "/echo/{name}",
    "starlette": "/echo/{name}",
    "flask": "/echo/<name>",
    "django-wsgi": "/echo/<str:name>",
    "django-asgi": "/echo/<str:name>",
}
MASK = "[REDACTED]"


@doors()
def test_one_server_span_per_request(visit: Visit) -> None:
    """Whoever starts it: each sampled request has exactly one span of kind SERVER."""
    counts = {case: len(visit.server_spans(case)) for case in visit.sent if case != "health"}
    servers = [span for span in visit.spans if span.kind == "SERVER"]

    assert counts == {case: 0 if case == "unsampled" else 1 for case in counts}
    assert len(servers) == len(visit.sent) - 1
    assert len({(span.trace_id, span.span_id) for span in servers}) == len(servers)


@doors()
def test_one_record_per_request(visit: Visit) -> None:
    """The store has every exchange once, and no other."""
    counts = {case: len(visit.records_of(case)) for case in visit.sent}

    assert counts == {case: 0 if case == "health" else 1 for case in counts}
    assert len(visit.records) == len(visit.sent) - 1


@doors()
def test_health_checks_are_not_recorded(visit: Visit) -> None:
    """A path that is excluded from capture has its plain span and nothing else."""
    (span,) = [
        each
        for each in visit.spans
        if each.kind == "SERVER" and "/healthz" in str((each.attributes, each.name))
    ]

    assert visit.records_of("health") == []
    assert not [name for name in span.attributes if name.startswith("spantap.") or ".body." in name]


@doors()
def test_the_span_carries_the_exchange(visit: Visit) -> None:
    """Method, path, route, status, headers and both bodies are attributes of the SERVER span."""
    for case in POSTS:
        attributes = visit.span(case).attributes

        assert attributes["http.request.method"] == "POST"
        assert attributes["url.path"] == f"/echo/{case}"
        assert attributes.get("http.route") == ROUTES.get(visit.door)
        assert attributes["http.response.status_code"] == 200
        assert attributes["http.request.header.x-case"] == [case]
        assert attributes["http.response.header.x-echo"] == [case]
        assert attributes["http.request.header.authorization"] != []
        cookies = attributes["http.response.header.set-cookie"]
        assert [cookie.split("=")[0] for cookie in cookies] == ["session", "theme"]
        _check_bodies(case, attributes["http.request.body.content"], attributes["http.response.body.content"])


@doors()
def test_the_record_carries_the_exchange(visit: Visit) -> None:
    """The store has the same facts as the span."""
    for case in (*POSTS, "unsampled"):
        record = visit.record(case)
        request, response = record["request"], record["response"]

        assert request["method"] == "POST"
        assert request["scheme"] == "http"
        assert request["path"] == f"/echo/{case}"
        assert request["query"] == f"case={case}&token=REDACTED"
        assert request["http_version"] == "1.1"
        assert record.get("route") == ROUTES.get(visit.door)
        assert record["client"]["address"] == "127.0.0.1"
        assert response["status"] == 200
        assert request["headers"]["x-case"] == [case]
        assert response["headers"]["x-echo"] == [case]
        assert len(response["headers"]["set-cookie"]) == 2
        _check_bodies(case, request["body"]["content"], response["body"]["content"])
        assert response["body"]["size"] == len(visit.answers[case].content)
        assert record["start"] < record["first_byte"] <= record["end"]
        assert "error" not in record
        assert "incomplete" not in record


def _check_bodies(case: str, sent: str, answered: str) -> None:
    assert json.loads(sent) == {"note": f"note of {case}", "password": MASK, "card": MASK}
    assert json.loads(answered) == {"name": case, "note": f"note of {case}", "access_token": MASK}


@doors()
def test_the_answer_in_the_record_is_the_answer_on_the_wire(visit: Visit) -> None:
    """Every header the app set is in the record, and the body to the byte where it held no secret."""
    for case in ("get", "ignore", "nowhere", "stream", "held", "wrong"):
        record, answer = visit.record(case)["response"], visit.answers[case]

        assert record["status"] == answer.status
        assert record["body"]["content"].encode() == answer.content
        assert record["headers"]["content-type"] == answer.header("content-type")


@doors()
def test_no_secret_arrives_anywhere(visit: Visit) -> None:
    """What was planted is in no byte of the store and of the OTLP traffic."""
    places = {"store": visit.store, "otlp": visit.otlp}
    if visit.mode == "foreign":  # elsewhere others write on the spans, too
        places["exporter of the app"] = visit.exported

    assert [
        (name, secret) for name, data in places.items() for secret in SECRETS if secret.encode() in data
    ] == []
    assert visit.store


@doors()
def test_the_live_span_is_clean_where_we_wrote_on_it(visit: Visit) -> None:
    """On spans of the app's own provider too, every value of ours is masked."""
    for span in visit.spans:
        ours = {
            name: value
            for name, value in span.attributes.items()
            if name.startswith(("http.request.header.", "http.response.header.", "spantap."))
            or name.endswith(".body.content")
            or (name == "url.query" and "spantap.record.version" in span.attributes)
        }
        assert not [secret for secret in SECRETS if secret in str(ours)], span


@doors(*OWN_PROVIDER, only=lambda door, mode: mode != "contrib_alone")
def test_the_app_exports_its_own_spans(visit: Visit) -> None:
    """With a provider of the app's own nothing is sent by OTLP a second time."""
    assert visit.otlp == b""


@doors()
def test_requests_at_once_do_not_mix(visit: Visit) -> None:
    """Twenty at a time: each record and each span pairs its own path, header, body and answer."""
    for case in CROWD:
        assert json.loads(visit.answers[case].content)["note"] == f"note of {case}"
        for text in (json.dumps(visit.record(case)), str(visit.span(case))):
            assert text.count(f"note of {case}") == 2
            assert [other for other in CROWD if other != case and other in text] == []
        assert visit.record(case)["identity"]["company"] == f"company of {case}"


@doors()
def test_large_bodies_are_cut(visit: Visit) -> None:
    """At most 16 KiB of 100 are kept, none when they cannot be scanned whole; the true size is told."""
    body = visit.record("big")["response"]["body"]

    assert body["size"] == len(answers.BIG)
    if "content" in body:
        assert body["truncated"] is True
        assert body["content"] == answers.BIG[:16384]
    else:
        assert body["withheld"] == "truncated"
    assert answers.BIG.encode() not in visit.store
    assert answers.BIG.encode() not in visit.otlp


@doors()
def test_answers_without_a_body_have_none(visit: Visit) -> None:
    """204 and HEAD: status and headers, nothing made up."""
    empty, head = visit.record("empty")["response"], visit.record("head")

    assert empty["status"] == 204
    assert empty["headers"]["x-empty"] == ["yes"]
    assert "body" not in empty
    assert head["request"]["method"] == "HEAD"
    assert head["response"]["status"] == 200
    assert "incomplete" not in head


@doors()
def test_a_body_nobody_read_is_not_shown(visit: Visit) -> None:
    """The app did not read it, so we did not; Django under ASGI reads every body itself."""
    body: dict[str, Any] = visit.record("ignore")["request"].get("body", {})

    if visit.door == "django-asgi":
        assert body["content"] == "x" * 1000
    else:
        assert body.get("content") is None


@doors(only=lambda door, mode: door in ("wsgi", "flask", "django-wsgi"))
def test_files_are_left_to_the_server(visit: Visit) -> None:
    """A file wrapper reaches the server as it is; the record says why it has no body."""
    record = visit.record("file")["response"]

    assert record["status"] == 200
    if visit.door != "wsgi" or visit.mode not in ("contrib_after", "contrib_plain"):  # contrib unwraps it
        assert record["body"] == {"withheld": "file"}


@doors(only=lambda door, mode: door in ("fastapi", "starlette"))
def test_bodies_that_come_in_chunks_are_put_together(visit: Visit) -> None:
    """A chunked request body is recorded as the app read it."""
    body = visit.record("chunked")["request"]["body"]

    assert json.loads(body["content"]) == {"note": "in bits"}
    assert body["size"] == 19
