"""What is special about CSV: quotes, formulas, columns."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges import START, exchange
from spantap.codec.flat import COLUMNS
from spantap.export.archives import archives
from spantap.export.csv import CSVSink
from spantap.model import Body, Error, Exchange, Identity, Request
from spantap.policy.destination import DestinationPolicy
from spantap.policy.fields import FIELDS
from store_writer import numbered

FORMULAS = (
    "=1+1",
    "+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    '  =HYPERLINK("http://x")',
    "\uff1d1+1",
    "'=1",
)


def rows(path: Path) -> list[dict[str, str]]:
    """As another program reads it."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def with_text(text: str, number: int = 0) -> Exchange:
    return exchange(
        span_id=f"{number + 1:016x}",
        request=Request(text or "GET", "http", text, query=text, body=Body(text or None, len(text))),
        identity=Identity(user=text or None),
        error=Error("E", text or None),
        metadata={text: text} if text else {},
    )


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_a_formula(formula: str, tmp_path: Path) -> None:
    """Whatever a client sends, no cell begins as one; read back, it is what was sent."""
    sink = CSVSink(tmp_path / "t.csv")
    sink.write([with_text(formula)])

    (row,) = rows(sink.path)
    cells = [row[name] for name in ("method", "path", "query", "request_body", "user_id", "error_message")]
    assert cells == [f"'{formula}"] * len(cells)
    assert not [each for each in row.values() if each.lstrip()[:1] in tuple("=+-@\uff1d\uff0b\uff0d\uff20")]
    assert sink.read() == [with_text(formula)]
    sink.close()


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.lists(texts, min_size=1, max_size=4))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Quotes, commas, line ends of every kind: rows stay rows, and cells what they were."""
    sink = CSVSink(tmp_path_factory.mktemp("csv") / "t.csv")
    written = [with_text(text, number) for number, text in enumerate(texts)]
    sink.write(written)
    sink.close()

    assert sink.read() == written[::-1]
    with sink.path.open("rb") as file:
        assert sink.count([file.read(7), file.read()]) == len(texts) + 1


def test_the_columns(tmp_path: Path) -> None:
    """The first line names them; those of the record that people look at first come first; lines end CRLF."""
    sink = CSVSink(tmp_path / "t.csv")
    sink.write([exchange()])
    sink.write([numbered(1)])
    sink.close()

    data = sink.path.read_bytes()
    assert data.startswith(b"time,method,host,path,query,status,duration_ms,route,")
    assert data.count(b"\r\n") == 3
    first = rows(sink.path)[0]
    assert tuple(first) == COLUMNS
    assert first["time"] == "2023-11-14T22:13:20.000000+00:00"
    assert (first["status"], first["duration_ms"], first["sampled"]) == ("201", "2.0", "true")
    assert first["request_headers"] == '{"host":["shop"],"content-type":["application/json"]}'


def test_columns_of_ones_own(tmp_path: Path) -> None:
    """These alone, in this order; a file with others is set aside, and still read."""
    CSVSink(tmp_path / "t.csv").write([exchange()])
    sink = CSVSink(tmp_path / "t.csv", columns=["status", "path", "start_ns"])
    sink.write([numbered(1)])

    assert sink.path.read_bytes() == b"status,path,start_ns\r\n201,/users/7,%d\r\n" % (START + 1)
    assert len(archives(sink.path)) == 1
    assert [(each.response.status, each.service) for each in sink.read()] == [(201, None), (201, "shop")]
    with pytest.raises(ValueError, match="no such columns: colour"):
        CSVSink(tmp_path / "t.csv", columns=["colour"])


def test_the_fields_of_a_policy_are_the_columns(tmp_path: Path) -> None:
    """In its order, and what makes a record of them; all the columns when it leaves nothing out."""
    policy = DestinationPolicy(fields=["date", "status", "path", "mimetype", "exception"])
    sink = CSVSink(tmp_path / "t.csv", policy=policy)
    sink.write([policy.reduced(numbered(1))])

    (row,) = rows(sink.path)
    assert tuple(row) == (
        *("time", "status", "path", "mimetype", "error_type", "error_message"),
        *("trace_id", "span_id", "start_ns", "end_ns"),
    )
    assert (row["status"], row["path"], row["mimetype"]) == ("201", "/users/7", "application/json")
    (back,) = sink.read()
    assert (back.response.status, back.timing.start, back.route) == (201, START + 1, None)
    assert CSVSink(tmp_path / "t.csv", policy=DestinationPolicy(skip_on_exception=True)).columns == COLUMNS


def test_every_field_has_columns() -> None:
    """No field of a policy is without one, but for headers of its own."""
    for field in FIELDS:
        policy = DestinationPolicy(fields=[field])
        assert set(CSVSink("t.csv", policy=policy).columns) <= set(COLUMNS), field
