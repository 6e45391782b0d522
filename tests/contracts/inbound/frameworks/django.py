"""The scenes on Django: one project, set up when one of its two handlers is asked for."""

from __future__ import annotations

from typing import Any, Final

from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import include, path, re_path
from django.views.decorators.gzip import gzip_page

from contracts.inbound.frameworks import answers
from spantap.testing.players import NotedASGI, scene_name
from spantap.testing.stage import note


def mirrored(request: HttpRequest, rest: str = "") -> HttpResponse:
    query = [(name, request.GET.getlist(name)) for name in request.GET]
    content = answers.mirror(str(request.method), request.path, query, request.headers.items())
    return HttpResponse(content, content_type=answers.TEXT)


def json_body(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type="application/json")


def form_body(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.POST.lists()))


def multipart_body(request: HttpRequest) -> HttpResponse:
    sent: Any = request.FILES
    files = {name: [each.name, answers.digest(each.read())] for name, each in sent.items()}
    return JsonResponse({"files": files, "form": request.POST.dict()})


def uploaded(request: HttpRequest) -> HttpResponse:
    return HttpResponse(answers.digest(request.body))


def unread(request: HttpRequest) -> HttpResponse:
    return HttpResponse("not read")


def slow_upload(request: HttpRequest) -> HttpResponse:
    first = request.read(4096)
    note("slow-upload", "has the first half")
    return HttpResponse(answers.digest(first + request.read()))


def left_mid_upload(request: HttpRequest) -> HttpResponse:
    try:
        return HttpResponse(answers.digest(request.body))
    except Exception as error:
        note("left-mid-upload", f"reading raised {type(error).__name__}")
        raise


def _fixed(name: str) -> Any:
    def fixed(request: HttpRequest) -> HttpResponse:
        status, fields, content = answers.FIXED[name]
        return HttpResponse(content, status=status, headers=fields)

    return gzip_page(fixed) if name == "zipped" else fixed


def _streamed(name: str) -> Any:
    def streamed(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(answers.streams[name](), content_type=answers.kind_of(name))

    return gzip_page(streamed) if name == "zipped-pieces" else streamed


def _async_streamed(name: str) -> Any:
    async def streamed(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(answers.async_streams[name](), content_type=answers.kind_of(name))

    return gzip_page(streamed) if name == "zipped-pieces" else streamed


def redirect(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/next?token=abc")


async def many_cookies(request: HttpRequest) -> HttpResponse:  # under WSGI, in an event loop of its own
    response = HttpResponse("content", headers={"X-Mixed-CASE": "1"})
    response.set_cookie("a", "1", httponly=True)
    response.set_cookie("b", "2")
    return response


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(answers.FILE.open("rb"))


def raises_at_once(request: HttpRequest) -> HttpResponse:
    raise answers.SceneError


def inner(request: HttpRequest, number: int = 0) -> HttpResponse:
    return JsonResponse({"path": request.path, "number": number, "body": request.body.decode()})


_ALIKE: Final = [
    *(re_path(rf"^{name}(?:/(?P<rest>.*))?$", mirrored) for name in answers.REQUESTS),
    *(path(name, uploaded) for name in answers.UPLOADS),
    *(path(name, unread) for name in answers.UNREAD),
    *(path(name, _fixed(name)) for name in answers.FIXED),
    path("json-body", json_body),
    path("form-body", form_body),
    path("multipart-body", multipart_body),
    path("slow-upload", slow_upload),
    path("left-mid-upload", left_mid_upload),
    path("redirect", redirect),
    path("many-cookies", many_cookies),
    path("file", file),
    path("raises-at-once", raises_at_once),
    path("mounted/", include([path("inner", inner), path("<int:number>", inner)])),
]
urlpatterns: list[Any] = []
WSGI_PLAYS: Final = answers.with_more(
    *("zipped-pieces", "slow-upload", "left-mid-upload", "mounted"), less=("chunked-body",)
)
ASGI_PLAYS: Final = answers.with_more("zipped-pieces", "mounted")


def __getattr__(name: str) -> Any:
    if name not in ("asgi", "wsgi"):
        raise AttributeError(name)
    import django
    from django.conf import settings

    makers = {"wsgi": (answers.streams, _streamed), "asgi": (answers.async_streams, _async_streamed)}
    streams, make = makers[name]
    urlpatterns[:] = [*_ALIKE, *(path(each, make(each)) for each in streams)]
    settings.configure(
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="not used",
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup(set_prefix=False)
    return _asgi() if name == "asgi" else _wsgi()


def _asgi() -> Any:
    from django.core.handlers.asgi import ASGIHandler

    class Handler(ASGIHandler):
        """Noted inside of spantap's door, which is around `__call__`."""

        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            await NotedASGI(super().handle)(scope, receive, send)

    return Handler()


def _wsgi() -> Any:
    from django.core.handlers.wsgi import WSGIHandler

    class Handler(WSGIHandler):
        """Noted inside of spantap's door, which is around `__call__`."""

        def get_response(self, request: Any) -> Any:
            name = scene_name(request.path_info)
            if name is not None:
                note(name, "called")
                note(name, f"environ {sorted(key for key in request.environ if key.startswith('wsgi'))}")
            response: Any = super().get_response(request)
            if name is not None:
                response._resource_closers.append(lambda: note(name, "over"))
            return response

    return Handler()
