"""Where a database is: a URL as SQLAlchemy reads it, checked without connecting, shown without secrets."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spantap.export.files import why_not_writable
from spantap.policy.redact import Redactor, Tally

if TYPE_CHECKING:
    from sqlalchemy import URL

# Where the URL names none -> drivers in the order they are looked for, with the module of each.
_DRIVERS: Final = {
    "postgresql": {"psycopg": "psycopg", "psycopg2": "psycopg2", "pg8000": "pg8000"},
    "mysql": {"pymysql": "pymysql", "mysqldb": "MySQLdb"},
    "mariadb": {"pymysql": "pymysql", "mysqldb": "MySQLdb"},
}
_PACKAGES: Final = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "pymysql": "PyMySQL",
    "mysqldb": "mysqlclient",
}
_EXAMPLE: Final = "use a URL such as postgresql+psycopg://user:password@host/database"


@dataclass(frozen=True, repr=False)
class DatabaseURL:
    """A database's URL. As text it shows no secrets.

    Attributes:
        text: all of it, user and password included.
    """

    text: str
    _shown: str = field(compare=False)

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return repr(self._shown)

    @classmethod
    def parse(cls, text: str) -> DatabaseURL:
        """Take a URL; one that names no driver gets one that is installed.

        Raises:
            ValueError: it is none, or not one that can be used; why, without quoting it.
            ImportError: SQLAlchemy or the driver is not installed; the message says how to get it.
        """
        try:
            import sqlalchemy
        except ImportError:
            raise ImportError('SQL databases need a library: pip install "spantap[sql]"') from None
        try:
            url = with_driver(sqlalchemy.make_url(text))
        except (sqlalchemy.exc.ArgumentError, ValueError):
            raise ValueError(_EXAMPLE) from None
        _check(url)
        return cls(url.render_as_string(hide_password=False), shown(url))


def shown(url: URL) -> str:
    """A URL without user, password and what else is secret in it."""
    plain = url.set(username=None, password=None).render_as_string()
    return Redactor().url(plain.replace(":***@", "@"), Tally())


def with_driver(url: URL) -> URL:
    """The URL, naming a driver that is installed if it names none and there is one."""
    for driver, module in _DRIVERS.get(url.drivername, {}).items():
        if importlib.util.find_spec(module) is not None:
            return url.set(drivername=f"{url.drivername}+{driver}")
    return url


def _check(url: URL) -> None:
    from sqlalchemy.exc import NoSuchModuleError

    try:
        dialect = url.get_dialect()
    except NoSuchModuleError:
        raise ValueError(f"SQLAlchemy knows no {url.drivername}: {_EXAMPLE}") from None
    if dialect.is_async:
        raise ValueError(
            f"{url.get_driver_name()} is for asyncio; use another driver, such as psycopg or pymysql"
        )
    try:
        dialect.import_dbapi()
    except ImportError:
        driver = url.get_driver_name()
        if "+" not in url.drivername:
            driver = next(iter(_DRIVERS.get(url.drivername, {driver: ""})))
        package = _PACKAGES.get(driver, driver)
        raise ImportError(f'the database needs a driver: pip install "{package}"') from None
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise ValueError("a database in memory is no other thread's: give the path of a file")
        reason = why_not_writable(Path(str(url.database)))
        if reason is not None:
            raise ValueError(reason)
