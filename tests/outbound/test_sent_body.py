"""What a client is given instead of a body behaves as the body does, when it is no good, too."""

from __future__ import annotations

from typing import Any

import pytest
import urllib3

from outbound.conftest import Sent
from outbound.far_server import FarServer


class Stubborn:
    """Says that it can be iterated over, and cannot."""

    def __iter__(self) -> Any:
        raise TypeError("not now")

    def __repr__(self) -> str:
        return "a stubborn body"


@pytest.mark.parametrize("body", [5, object(), Stubborn()], ids=["number", "object", "stubborn"])
def test_what_is_no_body_is_refused_in_the_clients_own_words(sent: Sent, far: FarServer, body: Any) -> None:
    """A body nobody can iterate over: the client's own exception, naming the body, not what stands for it."""
    with urllib3.PoolManager() as pool:
        with pytest.raises(TypeError) as without:
            pool.request("POST", far.url, body=body)
        sent.start("urllib3")
        with pytest.raises(TypeError) as captured:
            pool.request("POST", far.url, body=body)

    assert captured.value.args == without.value.args
    assert "Instead was" in captured.value.args[0]
    assert far.asked == []
