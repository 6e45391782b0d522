"""To whom requests are captured, by the name of the host."""

from __future__ import annotations

import pytest

from spantap.policy.hosts import Hosts


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("vault.internal", "vault.internal"),
        ("vault.internal", "Vault.Internal"),
        ("vault.internal", "vault.internal."),
        ("vault.internal.", "vault.internal"),
        ("*.internal", "a.b.internal"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "bücher.example"),
        ("*.bücher.example", "shop.xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("re:^10\\.", "10.0.0.1"),
    ],
)
def test_a_name_however_it_is_written(pattern: str, host: str) -> None:
    """A host is left out, or wanted, in every spelling of its name."""
    assert not Hosts(exclude=[pattern]).wants(host)
    assert Hosts(include=[pattern]).wants(host)
    assert not Hosts(include=[pattern], exclude=[pattern]).wants(host)


@pytest.mark.parametrize("host", ["vault.internal.example", "avault.internal", "", None, "ü" * 70, "."])
def test_other_names(host: str | None) -> None:
    """Any other host is not meant, whatever it is called."""
    assert Hosts(exclude=["vault.internal"]).wants(host)
    assert not Hosts(include=["vault.internal"]).wants(host)
    assert Hosts().wants(host)
