"""A Django project with users and sessions, asked with and without capture; run as a program.

    django_said.py wsgi|asgi

Prints what the clients got and whom the records name.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

import spantap
from over_the_wire import ask, served
from spantap.export.memory import MemorySink


def asked(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"hello {request.user.is_authenticated}")


def untouched(request: HttpRequest) -> HttpResponse:
    request.spantap_metrics = {"items": 3}  # type: ignore[attr-defined]
    return HttpResponse("hello")


urlpatterns = [path("asked", asked), path("untouched", untouched)]


def application(kind: str) -> Any:
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application() if kind == "wsgi" else get_asgi_application()


def main(kind: str) -> None:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="x",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.db"}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
    )
    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    call_command("migrate", verbosity=0)
    client = Client()
    client.force_login(User.objects.create(pk=7, username="ada"))
    key = client.cookies["sessionid"].value
    cookie = {"Cookie": f"sessionid={key}"}
    requests = [("/asked", cookie), ("/untouched", cookie), ("/asked", {})]

    with served(application(kind), wsgi=kind == "wsgi") as port:
        plain = [ask(port, *each).decode() for each in requests]
    memory = MemorySink()
    handle = spantap.configure(
        destinations=[memory], device=lambda exchange: exchange.framework_request.resolver_match.route
    )
    with served(spantap.instrument_app(application(kind)), wsgi=kind == "wsgi") as port:
        captured = [ask(port, *each).decode() for each in requests]
    handle.tap.wait_for_open(30)
    handle.flush(30)
    records = memory.read()[::-1]
    identities: list[Any] = [
        {"user": each.identity.user, "session": each.identity.session} for each in records
    ]
    assert [each.identity.device for each in records] == ["asked", "untouched", "asked"]
    identities.append(dict(records[1].metrics))
    told = {"plain": plain, "captured": captured, "identities": identities, "session_key": key}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
