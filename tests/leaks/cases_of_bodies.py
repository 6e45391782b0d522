"""Bodies of every other kind with something in them that must not be kept."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from leaks.cases_of_peers import BOUNDARY, JSON
from leaks.planting import CASES, Asked, Plant, Reply, answering, case, post

FORM: Final = "application/x-www-form-urlencoded"
TEXT: Final = "text/plain"

# Name -> content type and a text with {} where the secret belongs.
_TEXTS: Final = {
    "YAML": ("application/yaml", "user:\n  name: ann\n  password: {}\n"),
    "YAML block": ("application/yaml", "user: ann\npassword: |\n  {}\n  more\nlast: 1\n"),
    "TOML": ("application/toml", '[database]\nhost = "db"\npassword = "{}"\n'),
    "INI": (TEXT, "[db]\nhost=db\npasswd = {}\n"),
    "env file": (TEXT, "export DB_HOST=db\nexport DB_PASSWORD={}\n"),
    "CSV": ("text/csv", "name,password,city\nann,{},Bonn\n"),
    "TSV": ("text/tab-separated-values", "name\tapi_key\tcity\nann\t{}\tBonn\n"),
    "SOAP": (
        "text/xml",
        '<s:Envelope xmlns:s="x"><s:Body><w:Password Type="t">{}</w:Password></s:Body></s:Envelope>',
    ),
    "SOAP 1.2": ("application/soap+xml", "<Envelope><Body><Login secret='{}'/></Body></Envelope>"),
    "XML attribute": ("application/xml", '<user name="ann" password="{}"/>'),
    "XML CDATA": ("application/xml", "<user><password><![CDATA[{}]]></password></user>"),
    "XML name and value": ("application/xml", '<set><add key="ApiToken" value="{}"/></set>'),
    "XML entity in the name": ("application/xml", "<user><field n='pass&#119;ord'>{}</field></user>"),
    "plist": ("application/x-plist+xml", "<dict><key>password</key><string>{}</string></dict>"),
    "JSON-RPC": (JSON, '{{"jsonrpc":"2.0","method":"login","params":{{"user":"ann","pass":"{}"}}}}'),
    "JSON with an escaped name": (JSON, '{{"pass\\u0077ord":"{}"}}'),
    "JSON with a repeated name": (JSON, '{{"password":"{}","password":""}}'),
    "JSON in JSON": (JSON, '{{"payload":"{{\\"password\\":\\"{}\\"}}"}}'),
    "JSON in JSON in JSON": (JSON, '{{"a":"{{\\"b\\":\\"{{\\\\\\"secret\\\\\\":\\\\\\"{}\\\\\\"}}\\"}}"}}'),
    "JSON pairs": (JSON, '{{"headers":[["Accept","*/*"],["Authorization","Bearer {}"]]}}'),
    "JSON with upper-case name": (JSON, '{{"DB_PASSWORD":"{}"}}'),
    "JSON with a name of another alphabet": (JSON, '{{"пароль":"{}"}}'),
    "JSON with NaN": (JSON, '{{"n":NaN,"password":"{}"}}'),
    "JSON with comments": (JSON, '{{/* c */"password":"{}"}}'),
    "JSON behind a guard": (JSON, ")]}}',\n{{\"password\":\"{}\"}}"),
    "JSON that is cut": (JSON, '{{"n":1,"password":"{}'),
    "JSON without quotes": (JSON, "{{password: '{}'}}"),
    "JSON concatenated": (JSON, '{{"n":1}}{{"password":"{}"}}'),
    "JSON as text": (TEXT, '{{"password":"{}"}}'),
    "JSON as a form": (FORM, '{{"password":"{}"}}'),
    "JSON without a type": (None, '{{"password":"{}"}}'),
    "JSONP": ("application/javascript", 'callback({{"token":"{}"}})'),
    "JavaScript": ("text/javascript", "const config = {{ apiKey: '{}' }};"),
    "GraphQL as itself": ("application/graphql", 'mutation {{ login(password: "{}") {{ id }} }}'),
    "GraphQL variables": (JSON, '{{"query":"mutation($p:ID){{f(p:$p)}}","variables":{{"password":"{}"}}}}'),
    "form, brackets": (FORM, "user[name]=ann&user[password]={}"),
    "form, name encoded": (FORM, "a=1&pass%77ord={}"),
    "form, name encoded twice": (FORM, "a=1&pass%2577ord={}"),
    "form, semicolons": (FORM, "a=1;password={}"),
    "form as text": (TEXT, "user=ann&password={}"),
    "form with a URL in it": (FORM, "next=https%3A%2F%2Fx.test%2F%3Faccess_token%3D{}"),
    "form with JSON in it": (FORM, "payload=%7B%22client_secret%22%3A%22{}%22%7D"),
    "OAuth code in JSON": (JSON, '{{"next":"https://x.test/cb?code={}&state=xyz"}}'),
    "OAuth code in text": (TEXT, "go to https://x.test/cb?state=xyz&code={} now"),
    "OAuth code": (FORM, "grant_type=authorization_code&code={}"),
    "text, password is": (TEXT, "Your password: {}\nKeep it safe."),
    "text, a header": (TEXT, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n"),
    "text, a cookie": (TEXT, "curl -H 'Cookie: a=b; session={}' https://x.test"),
    "text, a flag": (TEXT, "mysql --user ann --password {} shop"),
    "text, a database URL": (TEXT, "postgres://ann:{}@db.test/shop"),
    "text, SQL": ("application/sql", "UPDATE users SET password = '{}' WHERE id = 7"),
    "text, Python": (TEXT, "connect(host='db', password='{}')"),
    "text, JSON lines by another name": (TEXT, '{{"n":1}}\n{{"token":"{}"}}\n'),
    "JSON text sequence": ("application/json-seq", '\x1e{{"n":1}}\n\x1e{{"token":"{}"}}\n'),
    "problem+json": ("application/problem+json", '{{"title":"no","detail":"token={} is not valid"}}'),
    "HAR": (JSON, '{{"headers":[{{"name":"X-Auth-Token","value":"{}"}}]}}'),
    "grpc-web text": ("application/grpc-web-text", "AAAAAB5wYXNzd29yZD0{}"),
    "octets": ("application/octet-stream", "\x00\x01password={}\x00"),
    "msgpack": ("application/msgpack", "\x81\xa8password\xb2{}"),
    "protobuf": ("application/x-protobuf", "\n\x12{}\x10\x01"),
    "JSON Patch": ("application/json-patch+json", '[{{"op":"add","path":"/password","value":"{}"}}]'),
    "JSON, of another kind": ("application/vnd.api+json", '{{"data":{{"attributes":{{"pin":"{}"}}}}}}'),
    "XML-RPC": ("text/xml", "<member><name>password</name><value><string>{}</string></value></member>"),
    "CSV, quoted": ("text/csv", '"name";"pass word"\r\n"ann";"{}"\r\n'),
    "HTML, table": ("text/html", "<tr><th>Password</th><td>{}</td></tr>"),
    "form as JSON": (JSON, "user=ann&password={}"),
    "form in UTF-7": ("text/plain; charset=utf-7", "password+AD0-{}"),
    "multipart without a boundary": ("multipart/form-data", 'name="password"\r\n\r\n{}\r\n'),
    "text, netrc": (TEXT, "machine x.test login ann password {}"),
    "text, connection string": (TEXT, "Server=db;Uid=ann;Pwd={};Encrypt=yes"),
    "text, JDBC": (TEXT, "jdbc:mysql://db/shop?user=ann&password={}"),
    "multipart/mixed": ("multipart/mixed; boundary=b", "--b\r\n\r\npassword={}\r\n--b--\r\n"),
    "multipart/related": ("multipart/related; boundary=b", "--b\r\nX-Token: {}\r\n\r\nx\r\n--b--\r\n"),
}  # fmt: skip
_REPLIES: Final = {
    "HTML form": ("text/html", '<form><input type="password" name="pw" value="{}"></form>'),
    "HTML, value first": ("text/html", '<input value="{}" name="csrf_token" type="hidden">'),
    "HTML meta": ("text/html", '<meta name="csrf-token" content="{}">'),
    "HTML link": ("text/html", '<a href="/reset?token={}">reset</a>'),
    "HTML, script": ("text/html", "<script>var TOKEN = '{}';</script>"),
    "event stream": ("text/event-stream", 'event: login\ndata: {{"token":"{}"}}\n\n'),
    "event stream, cut lines": ("text/event-stream", 'data: {{"token":\ndata: "{}"}}\n\n'),
    "response CSV": ("text/csv", "id;secret\n7;{}\n"),
    "response YAML": ("text/yaml", "- token: {}\n"),
    "response NDJSON": ("application/x-ndjson", '{{"n":1}}\n{{"api_key":"{}"}}\n'),
    "response JSON, links": (JSON, '{{"links":{{"next":"https://x.test/?page=2&token={}"}}}}'),
    "response JSON, data URL": (JSON, '{{"img":"data:text/plain,password={}"}}'),
    "response vCard": ("text/vcard", "BEGIN:VCARD\nX-PASSWORD:{}\nEND:VCARD\n"),
}


def _text(name: str, content_type: str | None, text: str) -> Callable[[Plant], Asked]:
    def made(plant: Plant) -> Asked:
        body = text.format(plant.secret(name))
        return post(body.encode("latin-1") if "\x00" in text or "\x81" in text else body, content_type)

    return made


def _reply(name: str, content_type: str, text: str) -> Callable[[Plant], Asked]:
    return lambda plant: answering(text.format(plant.secret(name)), content_type)


for _number, (_name, (_kind, _body)) in enumerate(_TEXTS.items()):
    CASES[f"text-{_number}"] = _text(_name, _kind, _body)
for _number, (_name, (_type, _body)) in enumerate(_REPLIES.items()):
    CASES[f"reply-{_number}"] = _reply(_name, _type, _body)


@case
def known_by_their_looks(plant: Plant) -> Asked:
    basic = base64.b64encode(f"ann:{plant.secret('value: Basic')}".encode()).decode()
    body = {
        "a": plant.aws("value: AWS key"),
        "b": plant.github("value: GitHub token"),
        "c": plant.iban("value: IBAN"),
        "d": int(plant.card("value: card, a number")),
        "e": plant.pem("value: PEM"),
        "f": f"Basic {basic}",
        "g": quote(plant.jwt("value: JWT, encoded twice"), safe="").replace("%", "%25"),
        plant.github("value: as a name"): True,
        "h": f"https://ann:{plant.secret('value: userinfo')}@x.test/",
    }
    return post(json.dumps(body), JSON)


@case
def utf_16(plant: Plant) -> Asked:
    return post(json.dumps({"password": plant.secret("JSON in UTF-16")}).encode("utf-16"), JSON)


@case
def utf_16_unsaid(plant: Plant) -> Asked:
    return post(f"password={plant.secret('text in UTF-16, unsaid')}".encode("utf-16-le"), TEXT)


@case
def wrong_charset(plant: Plant) -> Asked:
    body = json.dumps({"password": plant.secret("JSON in another charset")})
    return post(body, "application/json; charset=utf-16")


@case
def byte_order_mark(plant: Plant) -> Asked:
    return post(b"\xef\xbb\xbf" + json.dumps({"pin": plant.digits("JSON with a mark")}).encode(), JSON)


@case
def deflated(plant: Plant) -> Asked:
    body = zlib.compress(f"password={plant.secret('deflate')}".encode())
    return post(body, FORM, ("Content-Encoding", "deflate"))


@case
def packed_but_unsaid(plant: Plant) -> Asked:
    return post(zlib.compress(f"password={plant.secret('packed, unsaid')}".encode()), TEXT)


@case
def said_but_unpacked(plant: Plant) -> Asked:
    body = json.dumps({"password": plant.secret("said to be packed")})
    return post(body, JSON, ("Content-Encoding", "gzip"))


@case
def deep(plant: Plant) -> Asked:
    return post('{"a":' * 200 + json.dumps({"pin": plant.secret("JSON, 200 levels")}) + "}" * 200, JSON)


@case
def files(plant: Plant) -> Asked:
    part = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"; '
        f'filename="{plant.github("multipart: file name")}.txt"\r\n'
        f"Content-Type: text/plain\r\nX-Token: {plant.secret('multipart: header')}\r\n\r\n"
        f"{plant.secret('multipart: file')}\r\n"
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="meta"\r\n'
        f"Content-Type: application/json\r\n\r\n"
        f"{json.dumps({'token': plant.secret('multipart: JSON field')})}\r\n--{BOUNDARY}--\r\n"
    )
    return post(part, f"multipart/form-data; boundary={BOUNDARY}")


@case
def files_of_200_kb(plant: Plant) -> Asked:
    disposition = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
    content = plant.secret("multipart, large: file") + "x" * 200_000
    part = (
        f'{disposition}f"; filename="a.bin"\r\n\r\n{content}\r\n'
        f'{disposition}password"\r\n\r\n{plant.secret("multipart, large: field")}\r\n--{BOUNDARY}--\r\n'
    )
    return post(part, f"multipart/form-data; boundary={BOUNDARY}")


@case
def in_chunks(plant: Plant) -> Asked:
    whole = json.dumps({"n": 1, "token": plant.secret("response in chunks of a byte")}).encode()
    return Asked("GET", reply=Reply(tuple(whole[at : at + 1] for at in range(len(whole)))))


@case
def asked_in_chunks(plant: Plant) -> Asked:
    body = json.dumps({"token": plant.secret("request in chunks")}).encode()
    return Asked(body=body, headers=(("Content-Type", JSON),), chunked=True)


@case
def broken_off(plant: Plant) -> Asked:
    body = f'{{"n":1,"password":"{plant.secret("request that breaks off")}'.encode()
    return Asked(body=body, headers=(("Content-Type", JSON),), whole=False)


@case
def large_reply(plant: Plant) -> Asked:
    body = {"filler": "x" * 200_000, "password": plant.secret("response of 200 kB")}
    return answering(json.dumps(body), JSON)


def _straddling(kind: str, frame: str, limit: int, offset: int) -> None:
    """A secret that begins so many bytes before a limit: cut, it cannot be recognised any more."""

    def made(plant: Plant) -> Asked:
        secret = plant.secret(f"{kind}, {offset} before {limit}")
        head = frame.format("x" * limit, secret).index(secret) - limit
        return post(frame.format("x" * (limit - head - offset), secret), JSON if "JSON" in kind else TEXT)

    CASES[f"straddling-{kind.lower()}-{limit}-{offset}"] = made


for _limit in (2 * 1024, 16 * 1024, 20 * 1024):
    for _offset in (9, 1, 25):
        _straddling("JSON", '{{"f":"{}","password":"{}"}}', _limit, _offset)
        _straddling("text", "{} password={} and so on", _limit, _offset)
