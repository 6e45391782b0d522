"""The page of all settings, made from the table: ``python -m spantap.settings_page > docs/settings.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from spantap.settings import PREFIX, table

_HEAD: Final = f"""\
# Settings

Made from the table in `src/spantap/settings.py` by `make docs`.

A value is looked for in this order; the first one found counts:

1. the keyword argument of `spantap.configure(...)` or `spantap.instrument_app(app, ...)`, for Django also
   the dict `SPANTAP` in its settings;
2. the environment variable `{PREFIX}<NAME>` (empty means: not set; under `opentelemetry-instrument`
   also the flag `--spantap_<name>`);
3. the settings file;
4. the default.

Wrong values, unknown names and a file that cannot be read stop `configure` with one error that lists every
mistake. Under `opentelemetry-instrument` the error goes to the log and the app runs uncaptured.
`spantap.configure().loaded.rows()` tells each setting's value and its source.

## The settings file

`spantap.toml` in the working directory:

```toml
preset = "portable"
exclude_urls = ["/internal/*", "re:^/v[0-9]+/health$"]
redact_keys = ["shoe size"]
sqlite_path = "traffic.db"   # beside this file
live_bodies = false
```

or the same keys below `[tool.spantap]` in `pyproject.toml`. When both are there, `spantap.toml` counts alone:
they are not mixed. `{PREFIX}CONFIG_FILE` (or `config_file=`) names another file instead; it has to
exist, and in one named `pyproject.toml` the section is read.

- The names are the keywords, in lower case. Lists, booleans and numbers are TOML's own.
- Relative paths in the file start at the file; `~` is your home. Other relative paths start at the working
  directory.
- The file is read when `configure` runs, once. It is not looked for in parent directories: a process that is
  started elsewhere (by a service manager, say) needs `{PREFIX}CONFIG_FILE`.
- Only `configure` reads it: the exporters `spantap_sqlite`, `spantap_jsonl` and `spantap_csv` under another
  distro know the environment alone.

## Ours

"""

_STANDARD_HEAD: Final = """\

## OpenTelemetry's

The standard variables mean what they mean everywhere. These have an effect here:

"""

_STANDARD_FOOT: Final = """\

Where the tracer provider is the app's own, its exporters, sampler and limits are the app's as well.
"""

# Variables -> what they do here. A test holds them against the source and the other tests.
STANDARD: Final = (
    (("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"), "Describe the service, on spans and in records."),
    (
        ("OTEL_TRACES_EXPORTER",),
        (
            "Where it goes: a list of exporters (`otlp`, `console`, `spantap_sqlite`, `spantap_jsonl`, "
            "`spantap_csv`, `spantap_sql`, `spantap_memory`, `spantap_http`, `spantap_websocket`, "
            "`spantap_redis`, any installed), or `none`. Not set: OTLP if there is an endpoint, and the "
            "paths and endpoints that are set. The memory is read in the process itself: "
            "`MemorySink.of_process().read()`."
        ),
    ),
    (
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        "The collector; the one for traces is taken as it is, the other gets `/v1/traces` (HTTP).",
    ),
    (
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
        "`http/protobuf` (default) or `grpc`.",
    ),
    (
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
        ),
        (
            "As the standard exporters read them, `OTEL_EXPORTER_OTLP_TRACES_...` first. The timeout is in "
            "seconds, of one try. `REQUESTS_CA_BUNDLE`, where set, wins over the certificate."
        ),
    ),
    (
        ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"),
        (
            "Which traces reach collectors; our stores: see `CAPTURE_UNSAMPLED`. `spantap` "
            "takes a share from 0 to 1, rates by route, path and method, and a limit (docs/sampling.md), and "
            "cannot fail a request; other installed samplers work, too."
        ),
    ),
    (
        ("OTEL_BSP_SCHEDULE_DELAY",),
        "Milliseconds the first span of a batch waits for others; 500 by default. Of every destination.",
    ),
    (("OTEL_BSP_MAX_EXPORT_BATCH_SIZE",), "Spans a batch has at most; 512. Batches also stay below 2 MiB."),
    (
        ("OTEL_BSP_MAX_QUEUE_SIZE",),
        "Spans each destination's queue may hold, unless `QUEUE_MAX_ITEMS` is set.",
    ),
    (
        ("OTEL_BSP_EXPORT_TIMEOUT",),
        "Milliseconds a try to send to an OTLP collector has, when shorter than the OTLP timeout.",
    ),
    (
        (
            "OTEL_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        ),
        (
            "Hold for spans sent to collectors; headers go first, method, path, status and route stay; "
            "bodies are cut and marked. Stores keep exchanges whole."
        ),
    ),
    (
        (
            "OTEL_SPAN_EVENT_COUNT_LIMIT",
            "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
        ),
        "As the SDK applies them.",
    ),
    (
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
        "Concern spans the app makes itself; a wrong one is told at start-up.",
    ),
    (("OTEL_PROPAGATORS",), "Which headers carry the trace."),
    (
        (
            "OTEL_PYTHON_EXCLUDED_URLS",
            *(
                f"OTEL_PYTHON_{each}_EXCLUDED_URLS"
                for each in ("FASTAPI", "STARLETTE", "FLASK", "DJANGO", "ASGI", "WSGI")
            ),
            *(
                f"OTEL_PYTHON_{each}_EXCLUDED_URLS"
                for each in ("REQUESTS", "URLLIB3", "HTTPX", "AIOHTTP_CLIENT", "URLLIB")
            ),
        ),
        (
            "Expressions for URLs that get neither span nor record; the list of a framework or client goes "
            "before the one for all."
        ),
    ),
    (
        (
            "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
            "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE",
        ),
        "Expressions for the names of headers that are captured even when `HEADERS` is off.",
    ),
    (
        (
            "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST",
            "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE",
        ),
        "The same for requests the app sends.",
    ),
    (
        ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS",),
        "Expressions for the names of further headers whose values are masked.",
    ),
    (
        ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",),
        "Instrumentations that are not loaded by `opentelemetry-instrument`; `spantap` among them.",
    ),
    (
        ("OTEL_SEMCONV_STABILITY_OPT_IN",),
        "The names other instrumentations use; `http` under our distro. Ours are always the stable ones.",
    ),
    (("OTEL_SDK_DISABLED",), "The app runs as if spantap were not there."),
    (
        ("OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR"),
        (
            "`spantap`: `opentelemetry-instrument` sets up tracing with our processor. Our distro takes our "
            "configurator unless another is named."
        ),
    ),
    (
        ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"),
        "As the SDK reads them under our configurator; not set, no metrics and no logs are sent.",
    ),
    (
        ("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED",),
        "`true`: what was captured, delivered, dropped and queued are metrics, too; docs/destinations.md.",
    ),
    (
        ("OTEL_CONFIG_FILE",),
        (
            "The SDK is set up from this file, by `opentelemetry-configuration`; its provider counts as the "
            "app's own."
        ),
    ),
    (
        ("OTEL_PYTHON_ID_GENERATOR",),
        "Where ids come from under `opentelemetry-instrument`; unset, random numbers that are not the app's.",
    ),
)


def page() -> str:
    """The whole page, in Markdown."""
    ours = [
        (
            f"`{row.name}`"
            if row.metadata["in_code_only"]
            else f"`{PREFIX}{row.name.upper()}`, `{row.name}`",
            f"{row.metadata['doc']} Takes {row.metadata['kind'].takes}."
            + (" In code only." if row.metadata["in_code_only"] else ""),
            _shown(row.default),
        )
        for row in table()
    ]
    standard = [(", ".join(f"`{name}`" for name in names), effect) for names, effect in STANDARD]
    return "".join(
        (
            _HEAD,
            _table(("variable, keyword", "", "default"), ours),
            _STANDARD_HEAD,
            _table(("variable", "effect"), standard),
            _STANDARD_FOOT,
        )
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _shown(default: Any) -> str:
    if default is None or default == ():
        return "not set"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{str(default).lower()}`"


if __name__ == "__main__":
    sys.stdout.write(page())
