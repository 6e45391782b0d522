"""Pages: a name and its value stand in elements of their own, in cells, in labels and fields."""

from __future__ import annotations

import pytest

from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
HTML = "text/html"
M = "[REDACTED]"
C = "cAnArY7391x"

SHOWN = [
    "<p><b>Password</b>: {}</p>",
    "<p><b>Your password</b> = {}</p>",
    "<p><b>Password</b><br>{}</p>",
    "<li><strong>API key</strong> {}</li>",
    "<span class=l>Password</span>\n<span class=v>{}</span>",
    "<div>Password:</div>\n<div>{}</div><div>more</div>",
    "<h3>API key</h3><p>{}</p>",
    "<b>\u5bc6\u7801\uff1a</b>{}",
    "<dl><dt>PIN</dt><dd>{}</dd><dd>{}</dd><dt>Name</dt><dd>Ann</dd></dl>",
    "<table><tr><td>User</td><td>PIN</td></tr><tr><td>ann</td><td>{}</td></tr></table>",
    "<table><tr><th colspan=2>Name<th>PIN<tr><td>a<td>b<td>{}</table>",
    "<table><tr><td><b>PIN</b></td><td><code>{}</code></td></tr><tr><td>a</td><td>b</td></tr></table>",
    '<pre><span class="k">"password"</span>: <span class="s">{}</span>, <span>"a"</span>: 1</pre>',
    '<span class="nt">&quot;pin&quot;</span><span class="p">:</span><span> </span><span>{}</span>',
    '<span class="n">password</span> <span class="o">=</span> <span class="s1">{}</span>',
    "<label for=x>API key</label><input id=x value={}>",
    "<label>API key <input value={}></label>",
    '<input aria-label="Password" value="{}">',
    '<input value="{}" placeholder="Password">',
]


@pytest.mark.parametrize("page", SHOWN)
def test_a_value_is_known_by_what_was_said_before_it(page: str) -> None:
    """All the rest stays, and what is clean is not changed again."""
    shown = page.replace("{}", M)
    for text, wanted in (
        (page.replace("{}", C), shown),
        (
            f"<!doctype html><p>Ann</p>{page.replace('{}', C)}<p>x</p>",
            f"<!doctype html><p>Ann</p>{shown}<p>x</p>",
        ),
        (shown, shown),
    ):
        assert REDACTOR.body(text, HTML, Tally()) == wanted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"<p><name>password</name><value>{C}</value></p>".replace("p>", "x>"), None),
        (f'<?xml version="1.0"?><password>{C}</password>', f'<?xml version="1.0"?><password>{M}</password>'),
        (f"user,password\nann,{C}\n", f"user,password\nann,{M}\n"),
        (f"- name: password\n  value: {C}\n", f'- name: password\n  value: "{M}"\n'),
        (f"password: {C}", f"password: {M}"),
    ],
)
def test_what_is_called_html_may_be_something_else(text: str, shown: str | None) -> None:
    """Frameworks call a text HTML when the app does not say what it is."""
    clean = REDACTOR.body(text, HTML, Tally())
    assert clean is not None
    assert C not in clean
    assert shown is None or clean == shown


def test_html_may_be_called_xml() -> None:
    """XHTML is a page."""
    page = f'<?xml version="1.0"?>\n<html><body><dl><dt>PIN</dt><dd>{C}</dd></dl></body></html>'
    for kind in ("application/xhtml+xml", "application/xml", "text/plain"):
        clean = REDACTOR.body(page, kind, Tally())
        assert clean == page.replace(C, M)


@pytest.mark.parametrize(
    "page",
    [
        "<nav><a>Tokens</a> <a>Sessions</a> <a>Help</a></nav>",
        "<label>Password</label><input type=password><p>Remember me</p>",
        "<label>Show password <input type=checkbox value=1></label>",
        "<h1>Forgot your password?</h1><p>OAuth2</p>",
        "<h2>Password</h2><p>Choose a long one, of words nobody knows.</p>",
        "<table><tr><th>Password</th><th>Policy</th></tr></table>",
        "<b>Token</b>s expire",
        "<li>Password</li><li>Username</li>",
    ],
)
def test_what_is_no_value_stays(page: str) -> None:
    """Words of the language, further names, questions."""
    assert REDACTOR.body(page, HTML, Tally()) == page


def test_a_long_value_may_hold_a_name_by_chance() -> None:
    """Three letters of it are no reason to take it for one."""
    page = "<div>API key</div><div>zqqx3r4zjwt32h5t7m</div>"
    assert REDACTOR.body(page, HTML, Tally()) == f"<div>API key</div><div>{M}</div>"
