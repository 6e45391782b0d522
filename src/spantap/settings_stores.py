"""The rows of stores, and on what terms they keep exchanges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from spantap.export.retention import AGE, AMOUNT, Retention, Rotation, age, amount, terms
from spantap.export.sql_url import DatabaseURL
from spantap.model import Problem
from spantap.settings_kinds import STORE
from spantap.settings_row import Kind, row


def _database(value: Any) -> DatabaseURL:
    try:
        return DatabaseURL.parse(str(value).strip())
    except ImportError as error:
        raise ValueError(str(error)) from None


_AGE: Final = Kind(AGE, age)
_AMOUNT: Final = Kind(AMOUNT, amount)


@dataclass(frozen=True)
class StoreSettings:
    """The rows of stores; `spantap.settings.Settings` has them all."""

    csv_path: Path | None = row(None, STORE, "CSV file to append exchanges to, a row each.")
    sql_url: DatabaseURL | None = row(
        None,
        Kind("a database URL as SQLAlchemy reads it; secrets in it are never shown", _database, secret=True),
        "PostgreSQL, MariaDB, MySQL or SQLite to keep exchanges in, in the table spantap_exchanges; needs "
        "spantap[sql] and a driver.",
    )
    store_max_age: float | None = row(
        None, _AGE, "How long stores keep an exchange; SQLite, JSON lines, CSV and SQL."
    )
    store_max_rows: int | None = row(None, _AMOUNT, "Exchanges such a store keeps; the oldest go first.")
    store_max_bytes: int | None = row(
        None, _AMOUNT, "Bytes such a store may have; the oldest exchanges go first."
    )
    rotate_max_age: float | None = row(
        None, _AGE, "A file of JSON lines or CSV is set aside when its first exchange is so old."
    )
    rotate_max_bytes: int | None = row(
        None, _AMOUNT, "A file of JSON lines or CSV is set aside before it is larger than so many bytes."
    )

    @property
    def terms(self) -> tuple[Retention, Rotation]:
        """On what terms stores keep exchanges."""
        return terms(vars(self))


def problems(values: Mapping[str, Any], given_as: Mapping[str, str]) -> Iterator[Problem]:
    """What these settings do not agree on.

    Args:
        values: the settings that were given and could be read.
        given_as: how each was given.
    """
    for bound in ("max_age", "max_bytes"):
        own, most = values.get(f"rotate_{bound}"), values.get(f"store_{bound}")
        if own is not None and most is not None and own >= most:
            name = f"STORE_{bound.upper()}"
            yield Problem(given_as[f"rotate_{bound}"], str(own), f"use less than {name}, which is {most}")
