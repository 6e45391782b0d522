"""Secrets and markers to send: made from their names, so that client, server and search agree on them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

# No hexadecimal letters: a trace id cannot look like a piece of a secret.
_LETTERS = "ghjkmnpqrstvwxyz"
_ALPHABET = _LETTERS + "23456789"
_LENGTH = 18


@dataclass(frozen=True)
class Secret:
    """A planted value.

    Attributes:
        name: what it is and where it stands.
        value: as it is sent.
        pieces: what of it is found nowhere else; a part of one counts as a leak.
    """

    name: str
    value: str
    pieces: tuple[str, ...]

    @property
    def on_a_span(self) -> bool:
        """Whether the app itself writes it on a span, which other people's exporters see as it is."""
        return self.name.startswith(("span: ", "child: ", "call: "))


@dataclass
class Plant:
    """What is planted through one door in one scene.

    Attributes:
        door, scene: where; every value is another one there.
        secrets, markers: name -> what was planted so far. Markers are values that must be seen.
    """

    door: str
    scene: str
    secrets: dict[str, Secret] = field(default_factory=dict)
    markers: dict[str, str] = field(default_factory=dict)

    def secret(self, name: str) -> str:
        """Letters and digits that no rule knows by their looks."""
        value = self._token(name)
        return self._planted(name, value, (value,))

    def phrase(self, name: str, between: str = " ") -> str:
        """Three words, as people choose them."""
        words = [self._token(f"{name} {number}")[:12] for number in range(3)]
        return self._planted(name, between.join(words), tuple(words))

    def digits(self, name: str, count: int = 15) -> str:
        """A number."""
        value = self._digits(name, count)
        return self._planted(name, value, (value,))

    def card(self, name: str, gap: str = "") -> str:
        """A payment card number with a right check digit."""
        body = "4" + self._digits(name, 14)
        doubled = sum(sum(divmod(int(each) * 2, 10)) for each in body[-1::-2])
        check = -(doubled + sum(map(int, body[-2::-2]))) % 10
        number = f"{body}{check}"
        value = gap.join(number[at : at + 4] for at in range(0, 16, 4))
        return self._planted(name, value, (number,) if not gap else (value,))

    def iban(self, name: str) -> str:
        """An account number with right check digits."""
        body = self._digits(name, 18)
        check = 98 - int(f"{body}131400") % 97
        value = f"DE{check:02}{body}"
        return self._planted(name, value, (body,))

    def jwt(self, name: str) -> str:
        """A signed token."""
        head, body = (_base64(json.dumps(each)) for each in ({"alg": "HS256"}, {"sub": self._token(name)}))
        signature = self._token(f"{name} signature") * 2
        return self._planted(name, f"{head}.{body}.{signature}", (signature, self._token(name)))

    def aws(self, name: str) -> str:
        """A key id of AWS."""
        tail = self._token(name)[:16].upper()
        return self._planted(name, f"AKIA{tail}", (tail,))

    def github(self, name: str) -> str:
        """A token of GitHub."""
        tail = self._token(name) + self._token(f"{name} more")
        return self._planted(name, f"ghp_{tail}", (tail,))

    def pem(self, name: str) -> str:
        """A private key."""
        lines = [self._token(f"{name} {number}") * 3 for number in range(4)]
        body = "\n".join(lines)
        return self._planted(
            name, f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n", tuple(lines)
        )

    def marker(self, name: str) -> str:
        """A value that is no secret and must be seen."""
        value = self.markers[name] = (
            f"plain{_drawn(f'{self.scene}/{self.door}/marker/{name}', _ALPHABET, 12)}"
        )
        return value

    def _planted(self, name: str, value: str, pieces: tuple[str, ...]) -> str:
        self.secrets[name] = Secret(name, value, pieces)
        return value

    def _token(self, name: str) -> str:
        seed = f"{self.scene}/{self.door}/{name}"
        return _drawn(seed, _LETTERS, 1) + _drawn(seed, _ALPHABET, _LENGTH - 1)

    def _digits(self, name: str, count: int) -> str:
        seed = f"{self.scene}/{self.door}/{name}"
        return _drawn(seed, "23456789", 1) + _drawn(f"{seed}/", "0123456789", count - 1)


@dataclass(frozen=True)
class Reply:
    """What the app answers.

    Attributes:
        body: its chunks, sent one by one.
    """

    body: tuple[bytes, ...] = (b'{"ok":true}',)
    content_type: str | None = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 200


@dataclass(frozen=True)
class Asked:
    """One request, and what the app does with it.

    Attributes:
        target: as it stands in the request line.
        whole: False: the client says it sends more, and leaves.
        chunked: whether the body goes in chunks.
        act: called by the app before it answers; may raise.
        reply: what it answers.
    """

    method: str = "POST"
    target: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    whole: bool = True
    chunked: bool = False
    act: Callable[[], object] | None = None
    reply: Reply = field(default_factory=Reply)


Case = Callable[[Plant], Asked]
CASES: dict[str, Case] = {}


def case(made: Case) -> Case:
    """Put a case into the table, by its name."""
    CASES[made.__name__.replace("_", "-")] = made
    return made


def post(body: str | bytes, content_type: str | None, *headers: tuple[str, str]) -> Asked:
    """A request with a body."""
    data = body.encode() if isinstance(body, str) else body
    kind = (("Content-Type", content_type),) if content_type else ()
    return Asked(body=data, headers=(*kind, *headers))


def get(query: str = "", *headers: tuple[str, str]) -> Asked:
    """A request without a body."""
    return Asked(method="GET", target=f"?{query}" if query else "", headers=headers)


def answering(
    body: str | bytes, content_type: str | None, *headers: tuple[str, str], status: int = 200
) -> Asked:
    """A request that is answered with a body."""
    data = body.encode() if isinstance(body, str) else body
    return Asked(method="GET", reply=Reply((data,), content_type, headers, status))


def _drawn(seed: str, alphabet: str, count: int) -> str:
    drawn = hashlib.sha256(seed.encode()).digest()
    return "".join(alphabet[byte % len(alphabet)] for byte in drawn[:count])


def _base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
