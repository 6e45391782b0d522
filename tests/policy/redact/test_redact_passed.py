"""What is passed over because nothing can be in it changes nothing about what is read."""

from __future__ import annotations

import pytest

from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
OBJECT = '{"id":1,"name":"Ann","tags":["a","b"],"total":1.5},'
ROW = "<tr><td>1</td><td class='x'>Ann</td></tr><p>Hello <b>you</b></p>\n"


@pytest.mark.parametrize(
    "member",
    [
        '"password":"hunter22"',
        "'password':'hunter22'",
        "password:hunter22",
        '"pass\\nword":"hunter22"',
        '"note":"?p%61ss%77ord=hunter22"',
        '"a":["x","--password","hunter22","y"]',
        '"a":["Authorization","hunter22"]',
        '"a":{"value":"hunter22","b":1,"name":"token"}',
        '"a":{"loc":["body","pin"],"b":[1],"input":"hunter22"}',
        '"a":1,"pass":null,"pin":"hunter22"',
    ],
)
def test_a_secret_between_harmless_members_is_masked(member: str) -> None:
    """Malformed JSON hides it nowhere, and all around it is shown."""
    text = f"[{OBJECT * 9}{{{OBJECT[1:-2]},{member},{OBJECT[1:-2]}}},{OBJECT * 9}]"
    clean = REDACTOR.body(text, "application/json", Tally())
    assert clean is not None
    assert "hunter22" not in clean
    assert clean.count("Ann") == 20
    assert REDACTOR.body(clean, "application/json", Tally()) == clean


@pytest.mark.parametrize(
    "piece",
    [
        "<p>password: hunter22</p>",
        "<b>Password:</b> hunter22<br>",
        "<table><tr><td>a</td><th>Password</th></tr><tr><td>a</td><td>hunter22</td></tr></table>",
        "<table><tr><td>Token</td><td>hunter22</td></tr></table>",
        "<input name='a' value='hunter22' type='password'>",
        "<a href='https://h.test/?a=1&amp;state=x&amp;code=hunter22'>x</a>",
        "<a href='/?p%61ss%77ord=hunter22'>x</a>",
        "<p>API&nbsp;key: hunter22</p>",
        "<script>if (a < b) { password = 'hunter22' }</script>",
        "<!-- <p> password=hunter22 -->",
    ],
)
def test_a_secret_between_harmless_tags_is_masked(piece: str) -> None:
    """A page hides it nowhere, and all around it is shown."""
    page = f"<html><body>{ROW * 9}{piece}{ROW * 9}</body></html>"
    clean = REDACTOR.body(page, "text/html", Tally())
    assert clean is not None
    assert "hunter22" not in clean
    assert clean.count("Ann") == 18
    assert REDACTOR.body(clean, "text/html", Tally()) == clean
