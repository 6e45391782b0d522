"""Attribute names the semantic-conventions package does not have yet, and our own.

`http.request.body.content` and `http.response.body.content` were merged into the HTTP
conventions after v1.44 (development status); delete a literal here when the package has it.
``spantap.*`` is only for what has no standard name.
"""

from __future__ import annotations

from typing import Final

HTTP_REQUEST_BODY_CONTENT: Final = "http.request.body.content"
HTTP_RESPONSE_BODY_CONTENT: Final = "http.response.body.content"
HTTP_REQUEST_BODY_SIZE: Final = "http.request.body.size"
HTTP_RESPONSE_BODY_SIZE: Final = "http.response.body.size"
HTTP_REQUEST_HEADER: Final = "http.request.header."
HTTP_RESPONSE_HEADER: Final = "http.response.header."
USER_ID: Final = "user.id"
USER_HASH: Final = "user.hash"
USER_EMAIL: Final = "user.email"
SESSION_ID: Final = "session.id"
USER_AGENT_NAME: Final = "user_agent.name"
USER_AGENT_OS_NAME: Final = "user_agent.os.name"

RECORD_VERSION: Final = "spantap.record.version"
REQUEST: Final = "spantap.request."
RESPONSE: Final = "spantap.response."
BODY_TRUNCATED: Final = "body.truncated"
BODY_WITHHELD: Final = "body.withheld"
HEADERS_DROPPED: Final = "headers.dropped"
TIME_TO_FIRST_BYTE: Final = "spantap.time_to_first_byte"
ENDPOINT: Final = "spantap.endpoint"
COMPANY_ID: Final = "spantap.company.id"
DEVICE_ID: Final = "spantap.device.id"
ERROR_MESSAGE: Final = "spantap.error.message"
INCOMPLETE: Final = "spantap.incomplete"
WEIGHT: Final = "spantap.weight"
CAPTURE_REASON: Final = "spantap.capture.reason"
METADATA: Final = "spantap.metadata"
METRIC: Final = "spantap.metric."
ANSWERING_SPAN_ID: Final = "spantap.answering.span_id"
HASH_KEY_ID: Final = "spantap.hash.key_id"
REDACTED: Final = "spantap.redacted."
ATTRIBUTES_DROPPED: Final = "spantap.attributes.dropped"
