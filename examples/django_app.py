"""Django in one file: `python examples/django_app.py runserver`, then look into ./spantap.db."""

import json
import sys

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

import spantap

settings.configure(
    SECRET_KEY="an example needs no real one",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["spantap.DjangoMiddleware"],
    SPANTAP={},  # any setting of spantap.configure, for instance {"preset": "full"}
)


def login(request: HttpRequest) -> JsonResponse:
    name = json.loads(request.body)["name"]
    spantap.current().user(name)
    return JsonResponse({"hello": name, "access_token": "not for your eyes"})


urlpatterns = [path("login", login)]
wsgi = get_wsgi_application()
asgi = get_asgi_application()

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
