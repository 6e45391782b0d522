"""The client cannot tell whether spantap is there."""

from __future__ import annotations

import pytest

from contracts.inbound.apps.answers import PIECES
from contracts.inbound.choose import doors
from contracts.inbound.visit import CROWD, Visit
from spantap.testing.wire import Answer

# What the app says of its span differs from run to run; what a client saw of a stream before it
# left depends on the moment.
_VARYING = ("who", "gone")


def _seen(visit: Visit) -> dict[str, bytes]:
    return {case: answer.on_the_wire for case, answer in visit.answers.items() if case not in _VARYING}


def _outline(answer: Answer) -> tuple[int, bool, list[str]]:
    return answer.status, answer.whole, answer.header("content-type")


@doors()
def test_every_answer_is_the_same_to_the_byte(visit: Visit, baseline: Visit) -> None:
    """Status line, headers in order, body and framing, on kept-alive and closed connections."""
    seen, usual = _seen(visit), _seen(baseline)

    assert list(seen) == list(usual)
    assert {case: seen[case] for case in seen if seen[case] != usual[case]} == {}
    for case in _VARYING:
        assert _outline(visit.answers[case]) == _outline(baseline.answers[case])


@doors("bare", "contrib_alone")
def test_the_yardstick_is_straight(visit: Visit) -> None:
    """Without spantap the apps answer what they are meant to, so that sameness means something."""
    statuses = {case: answer.status for case, answer in visit.answers.items()}

    assert {case: statuses[case] for case in ("first", "second", "last", *CROWD)} == dict.fromkeys(
        ("first", "second", "last", *CROWD), 200
    )
    assert statuses["empty"] == 204
    assert statuses["boom"] == 500
    assert statuses["nowhere"] == statuses["health"] == 404
    assert len(visit.answers["big"].content) == 102400
    assert len(visit.answers["first"].header("set-cookie")) == 2
    assert visit.answers["stream"].pieces == PIECES
    assert not visit.answers["halfway"].whole
    assert visit.records == []


@doors("bare", "contrib_alone")
def test_the_yardstick_closes_streams(visit: Visit) -> None:
    """Without spantap a stream whose client has left is closed, so that sameness means something."""
    closing = ["closing closed"] if visit.door == "wsgi" else []
    assert visit.marks == [*closing, "gone closed", "halfway closed", "held finished", "stream finished"]


@doors()
def test_a_stream_is_not_held_back(visit: Visit) -> None:
    """The first chunk reaches the client before the app makes the second."""
    assert visit.held["held"] == PIECES[0]
    assert "held waited in vain" not in visit.marks
    assert visit.answers["held"].content == b"".join(PIECES)


@doors()
def test_streams_have_the_same_chunks(visit: Visit, baseline: Visit) -> None:
    """As many chunks, cut in the same places."""
    for case in ("stream", "held", "halfway", "file", "big"):
        assert visit.answers[case].pieces == baseline.answers[case].pieces


@doors()
def test_generators_end_as_they_would(visit: Visit, baseline: Visit) -> None:
    """A stream's ``finally`` and an answer's ``close()`` run once, also when the client leaves."""
    assert visit.marks == baseline.marks


@doors()
def test_a_body_nobody_reads_is_not_asked_for(visit: Visit, baseline: Visit) -> None:
    """``100 Continue`` is sent exactly when it would be: reading is left to the app."""
    assert visit.answers["expect"].head.count(b"100 Continue") == baseline.answers["expect"].head.count(
        b"100 Continue"
    )


@doors()
def test_the_server_has_nothing_to_complain_of(visit: Visit, baseline: Visit) -> None:
    """It exits as usual, and its log has no failure of ours and no warning it would not have had."""
    assert visit.exit_code == baseline.exit_code == 0
    assert "spantap failed" not in visit.log
    for warning in ("Warning: ", "different Context", "never awaited", "Task exception", "ended span"):
        assert visit.log.count(warning) == baseline.log.count(warning), visit.log


@doors()
def test_exceptions_reach_the_server(visit: Visit, baseline: Visit) -> None:
    """What the app raises is raised to the server, which logs it as often as it would."""
    assert baseline.log.count("BoomError: no luck") > 0
    assert visit.log.count("BoomError: no luck") == baseline.log.count("BoomError: no luck")


@pytest.mark.parametrize("server", ["wsgiref"])
@doors("plain", "middleware", only=lambda door, mode: door in ("wsgi", "flask", "django-wsgi"))
def test_the_body_keeps_its_shape_for_the_server(visit: Visit, baseline: Visit) -> None:
    """wsgiref gives a list of one chunk a Content-Length, and closes after files: it still does."""
    seen, usual = _seen(visit), _seen(baseline)

    assert {case: seen[case] for case in seen if seen[case] != usual[case]} == {}
    assert visit.marks == baseline.marks
    assert visit.answers["get"].header("content-length") == ["7"]
