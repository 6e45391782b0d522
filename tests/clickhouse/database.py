"""A ClickHouse of its own with the tables of `deploy/clickhouse/schema.sql`, and the queries beside it."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from clickhouse.exporter import Row

DEPLOY = Path(__file__).parent.parent.parent / "deploy" / "clickhouse"


def statements(text: str) -> list[str]:
    """The statements of a file of SQL, without its comments."""
    bare = re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE)
    return [each.strip() for each in bare.split(";\n") if each.strip()]


def queries() -> dict[str, str]:
    """The queries a viewer needs, by the name in the comment before each."""
    named = re.split(r"^-- (\w+): ", (DEPLOY / "queries.sql").read_text(), flags=re.MULTILINE)[1:]
    found = {}
    for name, text in zip(named[::2], named[1::2], strict=True):
        (found[name],) = statements(text.partition("\n")[2])
    return found


class Database:
    """ClickHouse in this process, its files in a folder; one at a time. Not thread-safe.

    Attributes:
        read: rows and bytes the last question has read.
    """

    def __init__(self, folder: Path, schema: str | None = None) -> None:
        """Args:
        folder: where its files are.
        schema: statements to make the tables with; those of `schema.sql` when not given.
        """
        chdb: Any = importlib.import_module("chdb.session")  # large, and not always there
        self._session = chdb.Session(str(folder))
        self._queries = queries()
        self.read = 0, 0
        self.run("CREATE DATABASE IF NOT EXISTS otel ENGINE = Atomic")
        self.run("USE otel")
        self.run("SET session_timezone = 'UTC'")
        try:
            for statement in statements(schema or (DEPLOY / "schema.sql").read_text()):
                self.run(statement)
        except BaseException:
            self._session.close()
            raise

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def run(self, statement: str) -> None:
        """Run a statement that answers nothing."""
        self._session.query(statement)

    def insert(self, rows: Iterable[Row]) -> None:
        """Insert a batch as the exporter does: into ``otel_traces``, and nothing else."""
        self.run(self.inserting(rows))

    @staticmethod
    def inserting(rows: Iterable[Row], table: str = "otel_traces") -> str:
        """The statement that inserts a batch."""
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        return f"INSERT INTO {table} FORMAT JSONEachRow {lines}"

    def ask(self, statement: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """The rows a statement answers with."""
        answer = self._session.query(statement, "JSONEachRow", params=dict(parameters or {}))
        self.read = answer.storage_rows_read(), answer.storage_bytes_read()
        return [json.loads(line) for line in str(answer).splitlines()]

    def answer(self, name: str, **parameters: object) -> list[Row]:
        """What a query of `queries.sql` answers; in texts ClickHouse wants a backslash twice."""
        escaped = {
            each: value.replace("\\", "\\\\") if isinstance(value, str) else value
            for each, value in parameters.items()
        }
        return self.ask(self._queries[name], escaped)
