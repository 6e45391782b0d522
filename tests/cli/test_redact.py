"""`spantap redact` as a user runs it: clean text, and a table of places that shows no value."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from exchanges import exchange
from packing import field, file, form
from spantap.cli.redact_places import Place, in_lines, in_markup
from spantap.codec.jsonl import to_line
from spantap.model import Body, Headers, Request, Response
from spantap.policy.redact import Redactor, Tally

SPANTAP = str(Path(sys.executable).with_name("spantap"))
SECRET = "cAnArY7391xyz"
TOKEN = "ghp_" + SECRET + SECRET
DOCUMENT = {
    "user": {"name": "Ada", "password": SECRET},
    "cards": [{"n": "4111 1111 1111 1111"}, {"n": "5500005555555559"}],
    "note": f"mail Bearer {SECRET}0 to me",
    "said": f"I typed {SECRET} twice",
    TOKEN: 1,
    "odd name": [["Authorization", SECRET]],
}
REQUEST = (
    f"POST /login?token={SECRET}&page=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n"
    f"Cookie: a={SECRET}; b={SECRET}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Content-Encoding: deflate\r\n\r\n"
).encode() + zlib.compress(f"user=ada&password={SECRET}&next=%2F%3Ftoken%3D{SECRET}".encode())


def redact(
    folder: Path, *arguments: str, given: bytes = b"", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run it; whatever it says, it never says the secret."""
    done = subprocess.run(
        [SPANTAP, "redact", *arguments],
        cwd=folder,
        env={**os.environ, **environ},
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )
    output, errors = done.stdout.decode(), done.stderr.decode()
    assert SECRET not in output + errors
    assert "Traceback" not in errors
    return subprocess.CompletedProcess(done.args, done.returncode, output, errors)


def rows(output: str) -> list[list[str]]:
    """The table below the text: place, rule, times."""
    lines = output.splitlines()
    table = lines[next(at for at, line in enumerate(lines) if line.startswith("place ")) + 1 :]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table]


def test_a_body_is_printed_clean_and_nothing_else(tmp_path: Path) -> None:
    """Without --explain there is the text alone, for a pipe."""
    (tmp_path / "a.json").write_text(json.dumps(DOCUMENT))

    done = redact(tmp_path, "a.json")

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["user"] == {"name": "Ada", "password": "[REDACTED]"}


def test_the_table_tells_place_rule_and_times(tmp_path: Path) -> None:
    """JSON paths, by the names of the clean text; like places of an array are one."""
    done = redact(tmp_path, "--explain", "-", given=json.dumps(DOCUMENT).encode())

    assert sorted(rows(done.stdout)) == [
        ["$.cards[*].n", "card", "2"],
        ["$.note", "bearer", "1"],
        ["$.said", "echo", "1"],
        ["$.user.password", "key", "1"],
        ['$["[REDACTED]"]', "github", "1"],
        ['$["odd name"][0][1]', "key", "1"],
    ]


def test_a_raw_request_is_cleaned_in_all_its_parts(tmp_path: Path) -> None:
    """Query, header fields, cookies and a packed body, each by its name."""
    done = redact(tmp_path, "--explain", "-", given=REQUEST)

    assert done.stdout.startswith("POST /login?token=REDACTED&page=1 HTTP/1.1\nhost: x\n")
    assert "\n\nuser=ada&password=[REDACTED]&next=%2F%3Ftoken%3D" in done.stdout
    assert rows(done.stdout) == [
        ["request query token", "query", "1"],
        ["request header authorization", "header", "1"],
        ["request header cookie", "cookie", "2"],
        ["request body form password", "key", "1"],
        ["request body form next", "key", "1"],
    ]


def test_fields_of_a_form_with_files_are_named(tmp_path: Path) -> None:
    """A multipart body is told by its Content-Type."""
    given = form(field("pin", SECRET.encode()), field("note", TOKEN.encode()), file("a", "b.png", b"x"))
    boundary = "multipart/form-data; boundary=xYz"

    done = redact(tmp_path, "--explain", "--content-type", boundary, "-", given=given)

    assert json.loads(done.stdout.splitlines()[0])[0] == {"name": "pin", "value": "[REDACTED]"}
    assert rows(done.stdout) == [["form pin", "key", "1"], ["form note", "github", "1"]]


def test_a_record_is_cleaned_by_the_rules_of_today(tmp_path: Path) -> None:
    """What was stored before a name was added is masked now; the settings file is read."""
    (tmp_path / "spantap.toml").write_text('redact_keys = ["nick"]\n')
    request = Request("POST", "http", "/a", headers=Headers([("content-type", "application/json")]))
    body = Body(json.dumps({"nick": SECRET}), 20)
    stored = exchange(request=Request("POST", "http", "/a", headers=request.headers, body=body))

    done = redact(tmp_path, "--json", "-", given=to_line(stored) * 2)

    told = json.loads(done.stdout)
    for line in told["content"].splitlines():
        assert json.loads(line)["request"]["body"]["content"] == '{"nick": "[REDACTED]"}'
    assert told["places"] == [{"where": "request body $.nick", "rule": "key", "count": 2}]
    assert told["redactions"] == {"key": 2}


def test_settings_of_the_environment_count(tmp_path: Path) -> None:
    """A name that is kept stays, one that is added goes."""
    given = b'{"session_id":"visible","nick":"' + SECRET.encode() + b'"}'
    keys = {"OTEL_PYTHON_SPANTAP_REDACT_KEYS": "nick", "OTEL_PYTHON_SPANTAP_KEEP_KEYS": "session_id"}

    done = redact(tmp_path, "-", given=given, **keys)

    assert done.stdout == '{"session_id":"visible","nick":"[REDACTED]"}\n'


RULES = """
/orders/* request.body $.note
order: /orders/{id} response.body $.total hash
/orders/* body $.reference keep
request.header x-note drop
"""


def test_the_rules_that_hold_for_a_path_are_used(tmp_path: Path) -> None:
    """Of a record those of its path and route, for each half its own; where no path is known, all."""
    keys = {"OTEL_PYTHON_SPANTAP_REDACT_RULES": RULES, "OTEL_PYTHON_SPANTAP_HASH_KEY": "k" * 16}
    said = Body(json.dumps({"note": SECRET, "total": 7, "reference": {"pin": 1}}), 90)
    head = Headers([("content-type", "application/json"), ("x-note", "b")])

    def stored(path: str, route: str | None) -> bytes:
        request = Request("POST", "http", path, headers=head, body=said)
        harmless = replace(said, content=said.content.replace(SECRET, "blue"))  # type: ignore[union-attr, arg-type]
        return to_line(
            exchange(request=request, route=route, response=Response(200, headers=head, body=harmless))
        )

    told = json.loads(
        redact(tmp_path, "--json", "-", given=stored("/orders/7", "/orders/{id}"), **keys).stdout
    )
    record = json.loads(told["content"])
    assert json.loads(record["request"]["body"]["content"])["note"] == "[REDACTED]"
    answer = json.loads(record["response"]["body"]["content"])
    assert (answer["note"], len(answer["total"])) == ("blue", 64)
    assert "x-note" not in record["request"]["headers"]
    assert record["response"]["headers"]["x-note"] == ["b"]
    rules = {(each["where"], each["rule"]) for each in told["places"]}
    assert {("request body $.note", "rule_1"), ("response body $.total", "order")} <= rules

    body = b'{"note":"blue","total":7,"reference":{"pin":1}}'
    other = b"POST /else HTTP/1.1\r\nContent-Type: application/json\r\nx-note: b\r\n\r\n" + body
    shown = redact(tmp_path, "-", given=other, **keys).stdout
    assert "x-note" not in shown
    assert '"note":"blue"' in shown
    shown = redact(tmp_path, "-", given=other.replace(b"/else", b"/orders/7"), **keys).stdout
    assert '"note":"[REDACTED]"' in shown
    unknown = json.loads(redact(tmp_path, "-", given=body, **keys).stdout)
    assert (unknown["note"], len(unknown["total"])) == ("[REDACTED]", 64)
    assert unknown["reference"] == {"pin": "[REDACTED]"}  # a rule for some paths keeps nothing


def test_what_is_withheld_is_said(tmp_path: Path) -> None:
    """Bytes that are no text are not printed; the reason is, and the status is that of success."""
    done = redact(tmp_path, "--explain", "-", given=b"\0\x01" + SECRET.encode())

    assert (done.returncode, done.stderr) == (0, "spantap redact: body withheld: binary\n")
    assert rows(done.stdout) == [["body", "withheld: binary"]]


def test_control_characters_are_spelled_out(tmp_path: Path) -> None:
    """Neither text nor places nor JSON drive the terminal."""
    given = json.dumps({"\x9b2J": {"token": SECRET}, "b": "\x1b\u202e"}, ensure_ascii=False).encode()

    table = redact(tmp_path, "--explain", "--content-type", "application/json", "-", given=given).stdout
    told = redact(tmp_path, "--json", "--content-type", "application/json", "-", given=given).stdout

    assert not {"\x1b", "\x9b", "\u202e"} & set(table + told)
    assert json.loads(told)["places"] == [{"where": '$["\x9b2J"].token', "rule": "key", "count": 1}]


@pytest.mark.parametrize("arguments", [["nope.json"], ["."], [], ["--wrong", "a"]])
def test_wrong_usage_is_one_sentence_and_status_2(tmp_path: Path, arguments: list[str]) -> None:
    """A file that is not there, a folder, no file, an unknown option."""
    done = redact(tmp_path, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """`spantap redact a.json | head -1` ends without a complaint."""
    (tmp_path / "a.txt").write_text("line\n" * 200_000)
    line = f"{SPANTAP} redact a.txt | head -1"

    done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, timeout=60, check=False)

    assert (done.stdout, done.stderr) == (b"line\n", b"")


REDACTOR = Redactor()


def test_lines_and_elements_are_named(tmp_path: Path) -> None:
    """In text a place is a line, in markup an element or an attribute."""

    def probe(text: str) -> dict[str, int]:
        tally = Tally()
        REDACTOR.text(text, tally)
        return tally.counts

    text = f"a\npassword: {SECRET}\nb\n" + '{"n":[{"token":"' + SECRET + '"}]}'
    clean = 'a\npassword: [REDACTED]\nb\n{"n":[{"token":"[REDACTED]"}]}'
    assert in_lines(text, clean, probe) == [
        Place("line 2", "key", 1),
        Place("line 4 $.n[0].token", "key", 1),
    ]
    markup = f'<a><b><token>{SECRET}</token><c x="1" token="{SECRET}"/></b></a>'
    clean = markup.replace(SECRET, "[REDACTED]")
    assert in_markup(markup, clean, probe) == [
        Place("/a/b/token", "key", 1),
        Place("/a/b/c/@token", "key", 1),
    ]


def test_what_the_body_tells_leaves_the_lines_before_it(tmp_path: Path) -> None:
    """A password of the body is looked for in the query and the header fields, and found places are told."""
    message = f"POST /?seen={SECRET} HTTP/1.1\r\nx-note: {SECRET}\r\n"
    message += f'content-type: application/json\r\n\r\n{{"password": "{SECRET}"}}'

    done = redact(tmp_path, "-", "--explain", given=message.encode())

    assert ["request header x-note", "echo", "1"] in rows(done.stdout)
    assert ["request query", "echo", "1"] in rows(done.stdout)
