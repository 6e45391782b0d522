"""The columns of the SQL store, as a mixin for SQLAlchemy models, and as the table it makes itself.

::

    class Traffic(ExchangeMixin, db.Model):
        __tablename__ = "traffic"
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.mysql import DATETIME, LONGTEXT
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

DEFAULT_TABLE: Final = "spantap_exchanges"

# MySQL's TEXT ends at 64 KiB, and its DATETIME at seconds.
_TEXT: Final = Text().with_variant(LONGTEXT(), "mysql", "mariadb")
_TIME: Final = DateTime(timezone=True).with_variant(DATETIME(fsp=6), "mysql", "mariadb")


def _text() -> Any:
    return mapped_column(_TEXT, nullable=True)


class ExchangeMixin:
    """A column for each of `spantap.codec.flat.COLUMNS`, and ``row_bytes``, about the size of the row.

    trace id and span id together are the primary key: an exchange delivered twice is stored once.
    Times are UTC. A subclass may have further columns, with defaults.
    """

    time: Mapped[datetime] = mapped_column(_TIME)
    method: Mapped[str] = mapped_column(_TEXT)
    host: Mapped[str | None] = _text()
    path: Mapped[str] = mapped_column(_TEXT)
    query: Mapped[str | None] = _text()
    status: Mapped[int | None] = mapped_column(SmallInteger, nullable=True)
    duration_ms: Mapped[float] = mapped_column(Double)
    route: Mapped[str | None] = _text()
    endpoint: Mapped[str | None] = _text()
    client_address: Mapped[str | None] = _text()
    referrer: Mapped[str | None] = _text()
    user_agent: Mapped[str | None] = _text()
    browser: Mapped[str | None] = _text()
    platform: Mapped[str | None] = _text()
    user_id: Mapped[str | None] = _text()
    company_id: Mapped[str | None] = _text()
    session_id: Mapped[str | None] = _text()
    device_id: Mapped[str | None] = _text()
    request_size: Mapped[int | None] = mapped_column(BigInteger, nullable=True)
    response_size: Mapped[int | None] = mapped_column(BigInteger, nullable=True)
    mimetype: Mapped[str | None] = _text()
    error_type: Mapped[str | None] = _text()
    error_message: Mapped[str | None] = _text()
    service: Mapped[str | None] = _text()
    trace_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    span_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    parent_span_id: Mapped[str | None] = mapped_column(String(16), nullable=True)
    answering_span_id: Mapped[str | None] = mapped_column(String(16), nullable=True)
    direction: Mapped[str] = mapped_column(String(16))
    sampled: Mapped[bool] = mapped_column(Boolean)
    incomplete: Mapped[str | None] = _text()
    scheme: Mapped[str] = mapped_column(_TEXT)
    resends: Mapped[int | None] = mapped_column(Integer, nullable=True)
    http_version: Mapped[str | None] = _text()
    start_ns: Mapped[int] = mapped_column(BigInteger)
    first_byte_ns: Mapped[int | None] = mapped_column(BigInteger, nullable=True)
    end_ns: Mapped[int] = mapped_column(BigInteger)
    client_port: Mapped[int | None] = mapped_column(Integer, nullable=True)
    server_address: Mapped[str | None] = _text()
    server_port: Mapped[int | None] = mapped_column(Integer, nullable=True)
    peer_address: Mapped[str | None] = _text()
    peer_port: Mapped[int | None] = mapped_column(Integer, nullable=True)
    user_email: Mapped[str | None] = _text()
    user_hash: Mapped[str | None] = _text()
    request_headers: Mapped[str | None] = _text()
    request_headers_dropped: Mapped[int | None] = mapped_column(Integer, nullable=True)
    request_body: Mapped[str | None] = _text()
    request_body_truncated: Mapped[bool | None] = mapped_column(Boolean, nullable=True)
    request_body_withheld: Mapped[str | None] = _text()
    response_headers: Mapped[str | None] = _text()
    response_headers_dropped: Mapped[int | None] = mapped_column(Integer, nullable=True)
    response_body: Mapped[str | None] = _text()
    response_body_truncated: Mapped[bool | None] = mapped_column(Boolean, nullable=True)
    response_body_withheld: Mapped[str | None] = _text()
    metadata_: Mapped[str | None] = mapped_column("metadata", _TEXT, nullable=True)
    metrics: Mapped[str | None] = _text()
    redactions: Mapped[str | None] = _text()
    hash_key_id: Mapped[str | None] = _text()
    weight: Mapped[float | None] = mapped_column(Double, nullable=True)
    capture_reason: Mapped[str | None] = _text()
    row_bytes: Mapped[int] = mapped_column(Integer)

    @declared_attr.directive
    def __table_args__(cls) -> Any:  # noqa: N805 - SQLAlchemy calls it on the class
        """An index for the order of time, by which rows are read and deleted; all of Unicode on MySQL."""
        name = f"ix_{cls.__tablename__}_start"  # type: ignore[attr-defined]
        return (Index(name, "start_ns", "row_bytes"), {"mysql_charset": "utf8mb4"})


def table_named(name: str = DEFAULT_TABLE) -> Table:
    """A table with these columns, belonging to no app's metadata."""

    class Base(DeclarativeBase):
        metadata = MetaData()

    made: Any = type("Exchanges", (ExchangeMixin, Base), {"__tablename__": name})
    table: Table = made.__table__
    return table
