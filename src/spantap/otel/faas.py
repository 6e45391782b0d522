"""Functions as a service: AWS Lambda freezes the process as soon as its handler has returned.

What is queued then waits for the next call, which may never come. So there, and only there, the
end of a request waits for delivery.
"""

from __future__ import annotations

import os

from opentelemetry.sdk.resources import Resource

# What the resource says of itself in any such place: semantic conventions, ``faas``.
_NAME = "faas.name"
_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"


def is_frozen_between_requests(resource: Resource) -> bool:
    """Whether this process works only while it answers.

    Args:
        resource: what describes the service; ``faas.name`` in it says so, too.
    """
    return bool(os.environ.get(_LAMBDA) or resource.attributes.get(_NAME))
