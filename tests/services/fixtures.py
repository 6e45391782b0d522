"""What tests ask for: a database of their own on the shared server, or a server of their own.

Where there is none, a test is skipped and says what to do; in the gate (``CI=true``) it fails.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from services.servers import MariaDB, PostgreSQL, Redis, Server


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of a new, empty PostgreSQL database."""
    url = shared(PostgreSQL)
    import psycopg

    name = _new_name()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield url.rpartition("/")[0] + f"/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def mariadb() -> Iterator[str]:
    """The URL of a new, empty MariaDB database."""
    url = shared(MariaDB)
    import pymysql
    from pymysql.constants import CLIENT

    address, name = url.rpartition("/")[0], _new_name()
    who, _, where = address.partition("://")[2].rpartition("@")
    user, _, password = who.partition(":")
    host, _, port = where.partition(":")
    connection = pymysql.connect(
        host=host, port=int(port), user=user, password=password, client_flag=CLIENT.MULTI_STATEMENTS
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        yield f"{address}/{name}?charset=utf8mb4"
        cursor.execute(f"DROP DATABASE {name}")


@pytest.fixture
def redis_url() -> Iterator[str]:
    """The URL of an empty Redis database, this test process's own."""
    url = shared(Redis)
    import redis

    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    url = url.rpartition("/")[0] + f"/{number}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def own_postgresql() -> Iterator[Server]:
    """A PostgreSQL to stop, kill and start again."""
    yield from _own(PostgreSQL)


@pytest.fixture
def own_mariadb() -> Iterator[Server]:
    """A MariaDB to stop, kill and start again."""
    yield from _own(MariaDB)


@pytest.fixture
def own_redis() -> Iterator[Server]:
    """A Redis to stop, kill and start again."""
    yield from _own(Redis)


def _own(kind: type[Server]) -> Iterator[Server]:
    missing = kind.missing()
    if missing:
        _without(f"{kind.name} is not installed: apt-get install {kind.package}")
    with kind() as server:
        yield server


def shared(kind: type[Server]) -> str:
    """The URL of the server that all tests share."""
    url = os.environ.get(kind.variable)
    if not url:
        _without(f"no {kind.name}: run `make services`, and the tests with the {kind.variable} it prints")
    return url or ""


def _without(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _new_name() -> str:
    return f"test_{uuid.uuid4().hex}"
