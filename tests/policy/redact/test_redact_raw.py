"""The targets of the fuzzer hold without one: for its seeds, and for what Hypothesis makes up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.raw import SEEDS, TARGETS

# test_redact_linear does what `linear` does, for shorter texts.
QUICK = [name for name in TARGETS if name != "linear"]


@pytest.mark.parametrize("target", QUICK)
def test_seeds(target: str) -> None:
    """What the fuzzer begins with breaks no promise."""
    for seed in SEEDS:
        TARGETS[target](seed)


@pytest.mark.parametrize("target", QUICK)
@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=200) | st.lists(st.sampled_from(SEEDS), max_size=3).map(b"".join))
def test_any_bytes(target: str, data: bytes) -> None:
    """No bytes break one."""
    TARGETS[target](data)
