"""A project with Django REST framework whose answers hold facts for us; run as a program.

    django_rest.py wsgi|asgi

Prints what clients get, and what they get of the same project without the facts.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="x",
    INSTALLED_APPS=["rest_framework"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

import spantap  # noqa: E402
from over_the_wire import ask, served  # noqa: E402
from spantap.export.memory import MemorySink  # noqa: E402

FACTS = {"_facts": {"items": 3, "plan": "gold", "password": "p4ssw0rd"}}
facts: dict[str, Any] = {}


class Shop(APIView):  # type: ignore[misc]
    def get(self, request: Any) -> Any:
        return Response({"ok": True, "list": [1, 2], **facts})


urlpatterns = [path("shop", Shop.as_view())]


def answer(port: int, path: str, headers: dict[str, str]) -> str:
    """Without the token, which is another one each time."""
    return re.sub(r"(csrfToken[^A-Za-z0-9]*)[A-Za-z0-9]+", r"\1", ask(port, path, headers).decode())


def main(kind: str) -> None:
    make = get_wsgi_application if kind == "wsgi" else get_asgi_application
    requests = [("/shop", {"Accept": "application/json"}), ("/shop", {"Accept": "text/html"})]
    with served(make(), wsgi=kind == "wsgi") as port:
        without_facts = [answer(port, *each) for each in requests]
    facts.update(FACTS)
    memory = MemorySink()
    handle = spantap.configure(destinations=[memory], data_key="_facts")
    with served(spantap.instrument_app(make()), wsgi=kind == "wsgi") as port:
        captured = [answer(port, *each) for each in requests]
    handle.tap.wait_for_open(30)
    handle.flush(30)
    records = memory.read()[::-1]
    told = {
        "captured": captured,
        "without_facts": without_facts,
        "metrics": [dict(each.metrics) for each in records],
        "metadata": [dict(each.metadata) for each in records],
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
