"""Ways to slip a value past the rules that were tried and are closed."""

from __future__ import annotations

import json

import pytest

from spantap.policy.redact import Redactor, Tally

REDACTOR = Redactor()
C = "cAnArY7391x"
INNER = json.dumps({"password": C})

JSON_BODIES = {
    "zero-width space in a name": json.dumps({"pass\u200bword": C}),
    "zero-width space, raw": json.dumps({"pass\u200bword": C}, ensure_ascii=False),
    "NUL in a name": json.dumps({"pass\0word": C}),
    "full-width name": json.dumps(
        {"\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44": C}, ensure_ascii=False
    ),
    "long s": json.dumps({"pa\u017f\u017fword": C}, ensure_ascii=False),
    "name and value members": json.dumps({"n": "password", "v": C}),
    "content of a named part": json.dumps({"key": "x", "name": "token", "content": [C]}),
    "header lists": json.dumps({"headers": [["X-Api-Key", C]]}),
    "command line": json.dumps({"args": ["--password", C]}),
    "command line, one word": json.dumps({"args": ["--password=" + C]}),
    "JSON in a string, after white space": json.dumps({"x": "\n " + INNER}),
    "JSON in a string, after a name": json.dumps({"x": "payload=" + INNER}),
    "JSON in a string, cut off": json.dumps({"x": INNER[:-1]}),
    "JSON in JSON in a list": json.dumps({"x": json.dumps([INNER])}),
    "YAML in a string": json.dumps({"x": "password:\n  " + C}),
    "YAML block in a string": json.dumps({"x": "password: |\n  " + C}),
    "XML in a string": json.dumps({"x": f"<password><v>{C}</v></password>"}),
    "XML attributes in a string": json.dumps({"x": f'<add key="password" value="{C}"/>'}),
    "character references": json.dumps({"x": f'<u pass&#119;ord="{C}"/>'}),
    "percent-encoding": json.dumps({"x": "pass%77ord=" + C}),
    "a raw request": json.dumps({"x": f"GET / HTTP/1.1\r\nAuthorization: Hawk {C}\r\nHost: x"}),
    "GraphQL": json.dumps({"query": f'mutation{{login(password:"{C}"){{id}}}}'}),
    "byte order mark": "\ufeff" + INNER,
}
FORMS = {
    "JSON": INNER,
    "brackets": "[password]=" + C,
    "semicolons": "a=1;token=" + C,
    "line feeds": "a=1\npassword=" + C,
    "NUL in a name": "pass%00word=" + C,
    "plus in a name": "api+key=" + C,
    "encoded twice": "pass%2577ord=" + C,
    "encoded equals sign": "password%3D" + C,
    "pair in a value": "x=password=" + C,
    "JSON in a value": "d=" + INNER,
}
URLS = {
    "tab in the scheme": f"ht\ttps://u:{C}@x/",
    "space first": f" https://u:{C}@x/",
    "three slashes": f"https:///u:{C}@x/",
    "one slash": f"https:/u:{C}@x/",
    "no scheme": f"u:{C}@host/x",
    "encoded at sign": f"https://u:{C}%40x@h/",
    "hash sign in the password": f"https://u:a#{C}@h/",
    "two question marks": f"/a?b=1?token={C}",
    "path parameter": f"/a;token={C}?x",
    "pair in the path": f"/a/token={C}/b",
    "two hash signs": f"/#a#token={C}",
    "semicolon, encoded": f"/?a=1%3Btoken%3D{C}",
    "nested name": f"/?a[b][token]={C}",
}
TEXTS = {
    "tuple": f"('password', '{C}')",
    "header list of ASGI": f"[(b'cookie', b'a={C}')]",
    "subscript": f"data['password'] = '{C}'",
    "triple quotes": f'password="""a "{C}" b"""',
    "escaped twice": f'{{\\\\\\"password\\\\\\":\\\\\\"{C}\\\\\\"}}',
    "escaped letter": f'{{"pass\\\\u0077ord":"{C}"',
    "quote inside": f"password='a'{C}'",
    "doubled quote": f"password='a''{C}'",
    "escaped quote": f"password='a\\'{C}'",
    "CDATA": f"<password><![CDATA[{C}]]></password>",
    "environment": f"DB_PASSWORD={C} python x",
    "a shell's header": f"curl -H 'X-Api-Key: {C}'",
    "connection string": f"Server=x;Password={C};",
    "comma in the value": f"password=a,{C}",
    "YAML": f"password:\n  {C}",
    "encoded name beside a plain one": f"token=abc pass%77ord={C}",
    "escaped name beside a plain one": f'{{"token":"abc","pass\\u0077ord":"{C}"',
}
HEADERS = {
    "tab after the scheme": ("authorization", "Bearer\t" + C),
    "no scheme": ("authorization", C + " x"),
    "comma after the scheme": ("authorization", "Bearer," + C),
    "folded Set-Cookie": ("set-cookie", f"a=b; Path=/,c={C}"),
    "query in a cookie's path": ("set-cookie", f"a=b; path=/?token={C}"),
    "underscores": ("X_API_KEY", C),
    "white space": (" Authorization ", C),
    "fragment": ("Referer", f"https://x/?q=1#access_token={C}"),
    "refresh": ("Refresh", f"0; url=https://x/?token={C}"),
    "relative link": ("Link", f"</cb?token={C}>; rel=x"),
    "JSON": ("X-Data", INNER),
    "pair": ("Forwarded", f"for=1.2.3.4;secret={C}"),
}


@pytest.mark.parametrize("how", JSON_BODIES)
def test_json(how: str) -> None:
    """No spelling of a JSON body lets the value through."""
    assert C not in (REDACTOR.body(JSON_BODIES[how], "application/json", Tally()) or "")


@pytest.mark.parametrize("how", FORMS)
def test_form(how: str) -> None:
    """No spelling of a form or a query lets the value through."""
    assert C not in (REDACTOR.body(FORMS[how], "application/x-www-form-urlencoded", Tally()) or "")
    assert C not in REDACTOR.query(FORMS[how], Tally())


@pytest.mark.parametrize("how", URLS)
def test_url(how: str) -> None:
    """No spelling of a URL lets the value through."""
    assert C not in REDACTOR.url(URLS[how], Tally())


@pytest.mark.parametrize("how", TEXTS)
def test_text(how: str) -> None:
    """No notation in text lets the value through."""
    assert C in TEXTS[how]
    assert C not in REDACTOR.text(TEXTS[how], Tally())


@pytest.mark.parametrize("how", HEADERS)
def test_header(how: str) -> None:
    """No shape of a header lets the value through."""
    assert C not in str(REDACTOR.header_pairs([HEADERS[how]], Tally()))
