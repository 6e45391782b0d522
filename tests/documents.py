"""JSON documents for hypothesis, with names and values that redaction has to do with."""

from __future__ import annotations

from hypothesis import strategies as st

from spantap.policy.redact import MASK

NAMES = (
    "password", "api_key", "X-Token", "pin", "auth", "a", "b", "author", "name", "value", "key", "text",
    "loc", "input", "variables", "query", "type", "token_count", "pass%77ord", "api\nkey", 'api"key',
    "AKIAABCDEFGHIJKLMNOP", "passé", "https://u:p@h/", "",
)  # fmt: skip
VALUES = (
    "hunter2", "4111 1111 1111 1111", "paid by 4111111111111111 on Monday", "Bearer abcdefghij0123456789",
    "Bearer\tabcdefghij0123456789", "https://h.test/cb?access_token=abc123def456&x=1", "password=hunter2",
    "token", "password", "Authorization", "--password", "AKIAABCDEFGHIJKLMNOP", "words only", "a%20b", "50 %",
    "p%61ssword=hunter2", "pass%77ord=x", '{"pin":"1234"}', "[4111111111111111]", "the password is hunter2",
    'quoted "token": "x"', "back\\slash \\", "é ñ 漢 password=ü1", "eyJhbGciOi.eyJzdWIiOiIx.c2ln", "12-34",
    "", MASK, "{ login(password: $p) }", "\x00\x1f", "078-05-1120", "GB82 WEST 1234 5698 7654 32",
    "api\nkey: x1y2",
    "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----", "https://bob:pw@h.test/",
)  # fmt: skip
SCALARS = (
    st.sampled_from(VALUES)
    | st.sampled_from([4111111111111111, 4111111111111112, -4111111111111111, 4111111111111111.0, 1.5, 0, 17])
    | st.none()
    | st.booleans()
    | st.text(max_size=6)
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=16,
)
