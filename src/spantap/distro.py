"""OpenTelemetry's entry points: spantap without a line of code.

``OTEL_PYTHON_DISTRO=spantap OTEL_PYTHON_CONFIGURATOR=spantap opentelemetry-instrument ...``
makes the provider ours. Where another distro has won, the instrumentor alone does the work
and attaches to whatever provider there is.

Nothing here may raise: OpenTelemetry would give up on everything that comes after, with a
traceback for each of us. What is wrong is logged once, and the app runs uncaptured.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

from opentelemetry import trace
from opentelemetry.instrumentation.dependencies import DependencyConflictError
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.util._importlib_metadata import entry_points

from spantap import clients, configuration, instrument, parts
from spantap.guard import logger, report
from spantap.model import ConfigurationError, Problem
from spantap.otel import exporters
from spantap.otel.ids import PrivateRandomIds
from spantap.version import __version__

# Contrib's web instrumentations: ours does their work. Django's could even break the app: it
# configures Django with empty settings when DJANGO_SETTINGS_MODULE is not set yet.
REPLACED: Final = frozenset({"fastapi", "starlette", "flask", "django"})

# Those of clients do their work beside ours.
_CLIENTS: Final = frozenset({"requests", "urllib3", "httpx", "httpx2", "aiohttp-client", "urllib"})

_DEFAULTS: Final = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
    # Who chose this distro, or left it to chance, means the configurator that goes with it.
    "OTEL_PYTHON_CONFIGURATOR": "spantap",
}
# What the SDK looks for by name, and raises over when it is not there.
_NAMES: Final = {
    "OTEL_METRICS_EXPORTER": "opentelemetry_metrics_exporter",
    "OTEL_LOGS_EXPORTER": "opentelemetry_logs_exporter",
    "OTEL_PYTHON_ID_GENERATOR": "opentelemetry_id_generator",
}
_CONFIG_FILE: Final = "OTEL_CONFIG_FILE"

_off = False  # the configurator has said why; the instrumentor need not say it again


class SpantapDistro(BaseDistro):  # type: ignore[misc]
    """The distro: stable HTTP conventions, OTLP over HTTP, and no second web instrumentation."""

    def _configure(self, **kwargs: Any) -> None:
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)

    def load_instrumentor(self, entry_point: Any, **kwargs: Any) -> None:
        """Load an instrumentation, unless spantap does its work; one that fails stops no other."""
        if entry_point.name in REPLACED:
            logger.debug("%s: spantap captures it instead", entry_point.name)
            return
        if entry_point.name in _CLIENTS:
            _capture_clients()  # before it: its spans are around ours then, and ours writes on them
        try:
            instrumentor = entry_point.load()()
            if not instrumentor.is_instrumented_by_opentelemetry:  # a configuration file may have done it
                instrumentor.instrument(**kwargs)
        except (ImportError, DependencyConflictError):
            raise  # the library is not there, or not in this version: the loader passes over it
        except Exception as error:  # noqa: BLE001 - see the module
            report(f"loading the instrumentation of {entry_point.name}", error)


class SpantapConfigurator(_OTelSDKConfigurator):
    """Sets up the SDK with our processor in the place of the standard ones."""

    def _configure(self, **kwargs: Any) -> None:
        if _sdk_disabled():
            return
        try:
            problems = _problems_of_the_sdk()
            if problems:
                _refuse_all(problems)
            if os.environ.get(_CONFIG_FILE):
                self._from_file()
            else:
                self._from_environment(kwargs)
        except ConfigurationError as error:
            _switch_off(str(error), logging.ERROR)
        except Exception as error:  # noqa: BLE001 - see the module
            report("setting up OpenTelemetry's SDK", error)
            _switch_off("the SDK could not be set up", logging.DEBUG)  # the report has said so

    def _from_environment(self, kwargs: dict[str, Any]) -> None:
        handle = configuration.configure()
        listed = os.environ.get(exporters.VARIABLE)
        # Our processor drives the exporters the variable lists; the SDK must not drive them too.
        os.environ[exporters.VARIABLE] = "none"
        try:
            if not os.environ.get("OTEL_PYTHON_ID_GENERATOR"):
                kwargs.setdefault("id_generator", PrivateRandomIds())
            if (sampler := parts.trace_sampler_of(handle.settings)) is not None:
                kwargs["sampler"] = sampler
            super()._configure(  # type: ignore[no-untyped-call]
                **kwargs,
                resource_attributes={
                    "telemetry.distro.name": "spantap",
                    "telemetry.distro.version": __version__,
                },
            )
        finally:
            if listed is None:
                del os.environ[exporters.VARIABLE]
            else:
                os.environ[exporters.VARIABLE] = listed
        handle.tap.adopt(trace.get_tracer_provider(), own=True)

    def _from_file(self) -> None:
        """The file names its own exporters, so its provider counts as the app's."""
        try:
            super()._configure()  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001 - its text may quote the file: say where, not what
            place = getattr(error.__cause__, "json_path", None)
            where = f" at {place}" if place else ""
            raise ConfigurationError(
                [_file_problem(f"cannot be used{where} ({type(error).__qualname__})")]
            ) from None
        if _off:  # the file gave settings of ours, and they are wrong
            return
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            _switch_off(f"{_CONFIG_FILE} sets up no tracing", logging.WARNING)
            return
        configuration.ensure_configured({})  # the file may have given settings of ours
        configuration.current_tap().adopt(trace.get_tracer_provider(), own=False)


class SpantapInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Captures every app of the process, whichever framework or server it meets."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Nothing: frameworks and servers are met when the app imports them."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        if _sdk_disabled():
            logger.debug("OTEL_SDK_DISABLED is set: spantap captures nothing")
            return
        if _off and not kwargs:
            return
        try:
            configuration.ensure_configured(kwargs)
            instrument.everywhere(configuration.current_tap)
            _capture_clients()
        except ConfigurationError as error:
            _switch_off(str(error), logging.ERROR)
        except Exception as error:  # noqa: BLE001 - see the module
            report("instrumenting frameworks and servers", error)

    def _uninstrument(self, **kwargs: Any) -> None:
        instrument.nowhere()
        clients.switch_off()


def _capture_clients() -> None:
    """Capture what the app sends, by every client whose instrumentation is not switched off."""
    if _off or _sdk_disabled():
        return
    try:
        if not configuration.ensure_configured({}).settings.outgoing:
            return
        listed = {
            each.strip() for each in os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
        }
        wanted = [name for name in clients.CLIENTS if listed.isdisjoint(("*", name, f"{name}-client"))]
        if wanted:
            clients.switch_on(wanted, configuration.current_client_tap)
    except ConfigurationError as error:
        _switch_off(str(error), logging.ERROR)
    except Exception as error:  # noqa: BLE001 - see the module
        report("instrumenting clients", error)


def _sdk_disabled() -> bool:
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _switch_off(why: str, level: int) -> None:
    global _off  # the loader calls our parts one after another, in one process
    _off = True
    logger.log(level, "%s\nspantap captures nothing; the app runs without it", why)


def _refuse_all(problems: list[Problem]) -> NoReturn:
    """Raise these problems together with those of our own settings."""
    try:
        configuration.configure().shutdown(0.0)
    except ConfigurationError as error:
        problems = [*error.problems, *problems]
    raise ConfigurationError(problems)


def _problems_of_the_sdk() -> list[Problem]:
    """Mistakes the SDK would raise over, one at a time."""
    path = os.environ.get(_CONFIG_FILE)
    if not path:
        return list(_unknown_names())
    problems = []
    if importlib.util.find_spec("opentelemetry.configuration") is None:
        problems.append(
            _file_problem(
                "opentelemetry-configuration is not installed: pip install opentelemetry-configuration"
            )
        )
    if not Path(path).is_file():
        problems.append(_file_problem("there is no such file"))
    return problems


def _unknown_names() -> Iterator[Problem]:
    for variable, group in _NAMES.items():
        listed = [each.strip() for each in os.environ.get(variable, "").split(",")]
        if listed in ([""], ["none"]):
            continue
        known = {each.name for each in entry_points(group=group)}
        if group.endswith("_exporter"):
            known.add("otlp")
        for name in listed:
            if name not in known:
                there_are = ", ".join(sorted(known))
                yield Problem(
                    variable, repr(name), f"nothing of that name is installed; there are {there_are}"
                )


def _file_problem(remedy: str) -> Problem:
    return Problem(_CONFIG_FILE, repr(os.environ.get(_CONFIG_FILE)), remedy)
