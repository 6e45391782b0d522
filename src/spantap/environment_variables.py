"""The names of our variables, so that `opentelemetry-instrument` offers each as a flag.

Made from the settings table; ``--spantap_preset full`` sets ``OTEL_PYTHON_SPANTAP_PRESET``.
"""

from __future__ import annotations

from spantap.settings import environment_names

globals().update({name: name for name in environment_names()})
