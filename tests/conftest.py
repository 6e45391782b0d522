"""How Hypothesis runs here, and the servers that tests may ask for."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Nothing is timed: a machine may be busy with other things. The gate says the same of the same
# tree; whoever runs the tests on their own looks somewhere else each time.
settings.register_profile(
    "spantap",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
settings.load_profile("spantap")

pytest_plugins = ["services.fixtures"]
