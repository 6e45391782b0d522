"""The rows of requests the app sends: where they differ from those of requests it answers."""

from __future__ import annotations

from dataclasses import dataclass

from spantap.settings_hooks import Hook
from spantap.settings_kinds import FLAG, HOOK, HOSTS
from spantap.settings_row import row


@dataclass(frozen=True)
class OutgoingSettings:
    """The rows of requests the app sends; `spantap.settings.Settings` has them all."""

    outgoing: bool = row(
        True,
        FLAG,
        "Capture the requests the app sends, under opentelemetry-instrument and spantap run; in code: "
        "instrument_clients().",
    )
    outgoing_hosts: tuple[str, ...] = row(
        (), HOSTS, "Capture only requests to hosts that match one of these globs or re: expressions."
    )
    exclude_outgoing_hosts: tuple[str, ...] = row(
        (), HOSTS, "Never capture requests to these; beats OUTGOING_HOSTS."
    )
    request_bodies_outgoing: bool | None = row(
        None, FLAG, "Whether bodies of requests the app sends are captured; when not set, as REQUEST_BODIES."
    )
    response_bodies_outgoing: bool | None = row(
        None, FLAG, "Whether bodies of the responses to them are captured; when not set, as RESPONSE_BODIES."
    )
    baggage_hosts: tuple[str, ...] = row(
        (),
        HOSTS,
        "Hosts that are told, as baggage, who is behind the request that is being answered; nobody is by "
        "default.",
    )
    skip_outgoing: Hook | None = row(
        None, HOOK, "Hook: whether an exchange with another server is not kept; when not set, SKIP."
    )
    identify_user_outgoing: Hook | None = row(
        None, HOOK, "Hook: the user behind it; when not set, the user of the request that is being answered."
    )
    identify_company_outgoing: Hook | None = row(None, HOOK, "Hook: the same for the company.")
    session_token_outgoing: Hook | None = row(None, HOOK, "Hook: the same for the session.")
    metadata_outgoing: Hook | None = row(
        None, HOOK, "Hook: facts of the app's own about it, as a dict; when not set, METADATA."
    )
