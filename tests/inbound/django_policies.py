"""A Django project under several policies; run as a program.

    django_policies.py wsgi|asgi

Prints which paths each destination has.
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
from policy_stores import DOORS, REQUESTS, stores


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


def abort(request: HttpRequest) -> HttpResponse:
    return HttpResponse("no", status=404)


def boom(request: HttpRequest) -> HttpResponse:
    raise ValueError("boom")


urlpatterns = [path(each.__name__, each, name=each.__name__) for each in (hello, abort, boom)]


def main(kind: str) -> None:
    settings.configure(
        ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x", LOGGING_CONFIG=None, MIDDLEWARE=[]
    )
    django.setup()
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    application: Any = get_wsgi_application() if kind == "wsgi" else get_asgi_application()
    sinks = stores(DOORS)
    handle = spantap.configure(destinations=list(sinks.values()))
    with served(spantap.instrument_app(application), wsgi=kind == "wsgi") as port:
        for each in REQUESTS:
            ask(port, each)
        handle.tap.wait_for_open(30)
    handle.flush(30)
    told = {name: [each.request.path for each in sink.read()[::-1]] for name, sink in sinks.items()}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
