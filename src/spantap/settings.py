"""Every setting, one row: name, type, default, and a sentence.

In the environment a setting is ``OTEL_PYTHON_SPANTAP_<NAME>``, in code and in the settings file
the same name in lower case. Keyword arguments win over the environment, the environment over
the file (`settings_file`), the file over defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any, Final

from opentelemetry.trace import TracerProvider

from spantap import (
    settings_file,
    settings_policies,
    settings_redaction,
    settings_remote,
    settings_sampling,
    settings_spool,
    settings_stores,
)
from spantap.export.sink import Sink
from spantap.model import ConfigurationError, Problem, did_you_mean
from spantap.otel import standard
from spantap.policy.decide import Unsampled
from spantap.policy.policies import InvalidPoliciesError
from spantap.policy.presets import PRESETS
from spantap.policy.proxies import FORWARDED, X_FORWARDED_FOR
from spantap.policy.redact.user_rules import InvalidRulesError, Rule
from spantap.policy.select import DEFAULT_EXCLUDED_METHODS
from spantap.settings_errors import NotAllowedError
from spantap.settings_hooks import Hook, import_hook
from spantap.settings_kinds import (
    FLAG,
    HASHABLE,
    HEADER_NAME,
    HOOK,
    KEY_FILE,
    PATH,
    PATTERNS,
    PROVIDER,
    PROXIES,
    RULES,
    SECONDS,
    SECRET,
    SECRET_HEADERS,
    SINKS,
    STORE,
    TEXT,
    TRAITS,
    URL,
    VALUES,
    WORD,
    WORDS,
)
from spantap.settings_kinds import one_of as _one_of
from spantap.settings_kinds import whole as _whole
from spantap.settings_outgoing import OutgoingSettings
from spantap.settings_policies import PolicySettings
from spantap.settings_redaction import Secret
from spantap.settings_remote import CERTIFICATE, RemoteSettings
from spantap.settings_row import row as _row
from spantap.settings_sampling import SamplingSettings
from spantap.settings_spool import DIRECTORY
from spantap.settings_stores import StoreSettings

PREFIX: Final = "OTEL_PYTHON_SPANTAP_"
KEYWORD: Final = "keyword"
DEFAULT: Final = "default"


@dataclass(frozen=True)
class Settings(OutgoingSettings, SamplingSettings, PolicySettings, StoreSettings, RemoteSettings):
    """All settings, checked. Build it with `load`."""

    preset: str = _row(
        "default",
        _one_of(*PRESETS),
        "How much to capture: default (16 KiB of each body), portable (2 KiB), full (64 KiB), "
        "metadata (no bodies, headers or query).",
    )
    body_max_bytes: int | None = _row(
        None, _whole(0, 16 * 1024 * 1024), "Decoded bytes kept of each body; the preset's when not set."
    )
    request_bodies: bool = _row(True, FLAG, "Whether request bodies are captured.")
    response_bodies: bool = _row(True, FLAG, "Whether response bodies are captured.")
    headers: bool = _row(True, FLAG, "Whether headers are captured, redacted.")
    query: bool = _row(True, FLAG, "Whether query strings are captured, redacted.")
    include_urls: tuple[str, ...] = _row(
        (), PATTERNS, "Capture only paths that match one of these globs or re: expressions."
    )
    exclude_urls: tuple[str, ...] = _row(
        (), PATTERNS, "Never capture paths that match one of these; beats INCLUDE_URLS."
    )
    exclude_methods: tuple[str, ...] = _row(
        DEFAULT_EXCLUDED_METHODS, WORDS, "Never capture requests with these methods."
    )
    include: tuple[str, ...] = _row(
        (), TRAITS, "Capture only these: of each trait that is named, one has to match; docs/selection.md."
    )
    exclude: tuple[str, ...] = _row((), TRAITS, "Never capture these; beats every inclusion.")
    default_exclusions: bool = _row(
        True, FLAG, "Leave out what machines ask for: health checks, static files, probes; docs/selection.md."
    )
    redact_keys: tuple[str, ...] = _row(
        (), WORDS, "Further names whose values are masked in bodies, queries, headers and cookies."
    )
    keep_keys: tuple[str, ...] = _row((), WORDS, "Names that stay readable although they look sensitive.")
    redact_values: tuple[str, ...] = _row(
        (), VALUES, "Values that are masked wherever they stand, beside those that always are."
    )
    redact_rules: tuple[Rule, ...] = _row(
        (), RULES, "What is done with values at certain places; see docs/redaction.md."
    )
    redaction_mode: str = _row(
        "deny",
        _one_of("deny", "allow"),
        "What is masked in bodies, queries, headers and cookies: what looks sensitive (deny), or "
        "everything that no rule keeps (allow).",
    )
    hash: tuple[str, ...] | None = _row(
        None,
        HASHABLE,
        "Who is behind an exchange, hashed instead of told; when not set and there is a key, user and "
        "client.address.",
    )
    hash_key: Secret | None = _row(None, SECRET, "The key values are hashed with.")
    hash_key_file: Path | None = _row(None, KEY_FILE, "A file that holds the key.")
    hash_key_url: str | None = _row(
        None, URL, "Where the key is fetched with the first request; until it is there, values are masked."
    )
    hash_key_headers: Secret | None = _row(None, SECRET_HEADERS, "Headers to send to HASH_KEY_URL.")
    hash_key_id: str | None = _row(None, TEXT, "Names the key, on exchanges that hold hashes.")
    authorization_headers: tuple[str, ...] = _row(
        ("authorization",),
        WORDS,
        "Request headers whose token (JWT, Basic, or base64 of JSON) names the user, unverified; the first "
        "that names one counts.",
    )
    authorization_user_claim: str = _row("sub", WORD, "The claim of such a token that names the user.")
    user_header: str = _row("x-spantap-user", HEADER_NAME, "Response header in which the app names the user.")
    company_header: str = _row("x-spantap-company", HEADER_NAME, "The same for the company.")
    device_header: str = _row("x-spantap-device", HEADER_NAME, "The same for the device.")
    hide_identity_headers: bool = _row(
        False, FLAG, "Keep these three response headers from the client; records never show them."
    )
    trusted_proxies: tuple[str, ...] = _row(
        (),
        PROXIES,
        "Proxies whose word about the client's address is taken: how many stand before the server, or "
        "which (unix: those that call by a Unix socket).",
    )
    proxy_header: str = _row(
        X_FORWARDED_FOR,
        _one_of(X_FORWARDED_FOR, FORWARDED),
        "The header those proxies write; the other one is anybody's, and not read.",
    )
    data_attribute: str = _row(
        "spantap_metrics",
        WORD,
        "Attribute of the framework's request (Starlette, FastAPI: of request.state) with facts of the app's "
        "own: numbers become metrics, the rest metadata.",
    )
    data_key: str | None = _row(
        None,
        WORD,
        "Key of an answer (Django REST framework, dicts that Flask views return) with such facts; it is "
        "taken out, and the client never sees it.",
    )
    record_metrics: bool = _row(
        False,
        FLAG,
        "Record the app's own numbers as OpenTelemetry histograms, too, by method, route, status.",
    )
    skip: Hook | None = _row(None, HOOK, "Hook: whether an exchange is not kept (true or false).")
    identify_user: Hook | None = _row(None, HOOK, "Hook: the id of the user.")
    identify_company: Hook | None = _row(None, HOOK, "Hook: the id of the company.")
    session_token: Hook | None = _row(
        None, HOOK, "Hook: what is secret and the same for a session; a digest of it is recorded."
    )
    device: Hook | None = _row(None, HOOK, "Hook: the id of the device.")
    metadata: Hook | None = _row(None, HOOK, "Hook: facts of the app's own, as a dict.")
    mask: Hook | None = _row(
        None, HOOK, "Hook: changes the redacted exchange and returns it; None: it is not kept."
    )
    hook_timeout: float = _row(1.0, SECONDS, "Seconds an `async` hook has.")
    capture_unsampled: Unsampled = _row(
        "own",
        _one_of("own", "all", "none"),
        "Exchanges of unsampled traces go to stores only (own), to OTLP too (all), or nowhere (none).",
    )
    live_bodies: bool = _row(
        True, FLAG, "On a tracer provider of the app's own, write clean bodies on the live span too."
    )
    sqlite_path: Path | None = _row(
        None, STORE, "SQLite file to store exchanges in; ./spantap.db when no destination is set at all."
    )
    jsonl_path: Path | None = _row(None, STORE, "File to append exchanges to, one JSON line each.")
    queue_max_bytes: int = _row(
        64 * 1024 * 1024, _whole(64 * 1024, 16 * 1024**3), "Bytes all queues of a process may hold together."
    )
    queue_max_items: int = _row(10_000, _whole(1, 10_000_000), "Spans each destination's queue may hold.")
    config_file: Path | None = _row(
        None, PATH, "The settings file, instead of spantap.toml or pyproject.toml in the working directory."
    )
    debug: bool = _row(False, FLAG, "Log what spantap does (never values) to the logger `spantap`.")
    destinations: tuple[Sink, ...] = _row(
        (), SINKS, "Destination objects, beside those set by path.", in_code_only=True
    )
    tracer_provider: TracerProvider | None = _row(
        None, PROVIDER, "The tracer provider to use instead of the global one.", in_code_only=True
    )

    @property
    def hashed(self) -> tuple[str, ...]:
        """Who is behind an exchange, as far as it is hashed."""
        if self.hash is not None:
            return self.hash
        keys = (self.hash_key, self.hash_key_file, self.hash_key_url)
        return () if keys == (None,) * 3 else settings_redaction.HASHED

    @property
    def body_limit(self) -> int:
        """Decoded bytes kept of each body."""
        return PRESETS[self.preset].body_max_bytes if self.body_max_bytes is None else self.body_max_bytes


@dataclass(frozen=True, slots=True)
class Effective:
    """One row of the table as it is in force.

    Attributes:
        name: the keyword.
        value: what it is set to.
        source: who set it: ``keyword``, ``environment (<variable>)``, ``file (<path>)`` or ``default``.
    """

    name: str
    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each came from.

    Attributes:
        settings: the checked values.
        sources: the source (see `Effective`) of every setting that is not at its default.
    """

    settings: Settings
    sources: Mapping[str, str]

    def rows(self) -> list[Effective]:
        """Every setting, in the order of the table."""
        return [
            Effective(each.name, getattr(self.settings, each.name), self.sources.get(each.name, DEFAULT))
            for each in table()
        ]


def table() -> list[Field[Any]]:
    """The rows; those of requests that are sent, sampling, policies, stores and remote destinations last."""
    groups = (OutgoingSettings, SamplingSettings, PolicySettings, StoreSettings, RemoteSettings)
    last = [{each.name for each in fields(group)} for group in groups]
    return sorted(fields(Settings), key=lambda each: [each.name in names for names in reversed(last)])


def environment_names() -> list[str]:
    """The variables that may be set, in the order of the table."""
    return [PREFIX + each.name.upper() for each in table() if not each.metadata["in_code_only"]]


def load(keywords: Mapping[str, Any], environ: Mapping[str, str], *, hooks: bool = True) -> Settings:
    """The settings alone; as `read`."""
    return read(keywords, environ, hooks=hooks).settings


def read(
    keywords: Mapping[str, Any], environ: Mapping[str, str], directory: Path = Path(), *, hooks: bool = True
) -> Loaded:
    """Settings from keyword arguments, the environment and the settings file.

    Args:
        keywords: settings given in code.
        environ: the environment.
        directory: where the file is looked for when none is named.
        hooks: import those that are given as text; else they stay text.

    Raises:
        ConfigurationError: with every mistake there is, none started.
    """
    reader = _Reader()
    for name, value in keywords.items():
        if value is not None:
            reader.take(name, name, value, KEYWORD)
    for variable, text in sorted(environ.items()):
        if variable.startswith(PREFIX) and text.strip():  # an empty variable means: not set
            name = variable[len(PREFIX) :].lower()
            reader.take(name, variable, text, f"environment ({variable})")
    reader.take_file(directory)
    reader.problems.extend(settings_remote.problems(reader.values, reader.given_as))
    reader.problems.extend(settings_spool.problems(reader.values, reader.given_as))
    reader.problems.extend(settings_stores.problems(reader.values, reader.given_as))
    reader.problems.extend(settings_policies.problems(reader.values, reader.given_as))
    if hooks:
        reader.import_hooks()
    reader.problems.extend(settings_redaction.problems(reader.values, reader.given_as))
    reader.problems.extend(settings_sampling.problems(reader.values, reader.given_as, environ))
    reader.problems.extend(standard.problems(environ))
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return Loaded(Settings(**reader.values), reader.sources)


class _Reader:
    """Takes values, the strongest source first: a setting that was given already is passed over."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.given_as: dict[str, str] = {}
        self.problems: list[Problem] = []
        self._rows = {each.name: each for each in fields(Settings)}

    def take(self, name: str, given_as: str, value: Any, source: str) -> None:
        row = self._rows.get(name)
        if row is None:
            # What nobody knows the meaning of may be a secret: it is not shown.
            self.problems.append(Problem(given_as, "***", f"unknown setting{self._near(name, given_as)}"))
        elif row.metadata["in_code_only"] and source != KEYWORD:
            self.problems.append(Problem(given_as, "***", "give it in code, as a keyword argument"))
        elif name not in self.given_as:
            self.given_as[name] = given_as
            try:
                self.values[name] = row.metadata["kind"].parse(value)
                self.sources[name] = source
            except InvalidRulesError as error:
                for which, text, remedy in error.problems:
                    self.problems.append(Problem(f"{given_as}, {which}", repr(text), remedy))
            except InvalidPoliciesError as error:
                for each in error.problems:
                    self.problems.append(Problem(f"{given_as}, {each.which}", each.text, each.remedy))
            except ValueError as error:
                shown = "***" if row.metadata["kind"].secret else repr(value)
                self.problems.append(Problem(given_as, shown, str(error)))

    def import_hooks(self) -> None:
        for name in [each for each in self.values if self._rows[each].metadata["kind"] is HOOK]:
            try:
                self.values[name] = import_hook(self.values[name])
            except NotAllowedError as error:
                hook = self.values[name]
                shown = hook if isinstance(hook, str) else type(hook).__name__
                self.problems.append(Problem(self.given_as[name], shown, str(error)))

    def _near(self, name: str, given_as: str) -> str:
        if given_as.startswith(PREFIX):
            # Without the prefix, which would make all of them alike.
            names = [each.removeprefix(PREFIX) for each in environment_names()]
            return did_you_mean(name.upper(), names, PREFIX)
        return did_you_mean(name.lower().removeprefix(PREFIX.lower()), self._rows)

    def take_file(self, directory: Path) -> None:
        given_as = self.given_as.get("config_file")
        try:
            if given_as is None:
                file = settings_file.find(directory)
            elif "config_file" in self.values:
                file = settings_file.named(self.values["config_file"])
            else:
                return  # reported already
        except settings_file.UnusableFileError as error:
            self.problems.append(error.as_problem(given_as or "settings file"))
            return
        if file is not None:
            for name, value in file.values.items():
                self._take_from(file, name, value)

    def _take_from(self, file: settings_file.SettingsFile, name: str, value: Any) -> None:
        row = self._rows.get(name)
        given_as = f"{name} in {file.path}"
        if name == "config_file":
            self.problems.append(Problem(given_as, repr(value), "a settings file cannot name another"))
            return
        is_path = row is not None and row.metadata["kind"] in (STORE, KEY_FILE, CERTIFICATE, DIRECTORY)
        if is_path and isinstance(value, str) and value:
            value = str(file.path.parent / Path(value).expanduser())  # relative to the file, not to us
        self.take(name, given_as, value, f"file ({file.path})")
