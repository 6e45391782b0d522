"""The servers that other tests rely on."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import psycopg
import pymysql
import pytest
import redis

from services import fixtures
from services.servers import Redis, Server


def test_postgresql(postgresql: str) -> None:
    """A test gets an empty PostgreSQL database of its own."""
    with psycopg.connect(postgresql.replace("+psycopg", "")) as connection:
        made = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert connection.execute(made).fetchone() == (0,)
        connection.execute("CREATE TABLE a (b text)")


def test_mariadb(mariadb: str) -> None:
    """A test gets an empty MariaDB database of its own."""
    at = urlsplit(mariadb)
    connection = pymysql.connect(
        host=at.hostname,
        port=at.port or 0,
        user=at.username,
        password=unquote(at.password or ""),
        database=at.path.strip("/"),
    )
    with connection, connection.cursor() as cursor:
        assert cursor.execute("SHOW TABLES") == 0
        cursor.execute("CREATE TABLE a (b text)")


def test_redis(redis_url: str) -> None:
    """A test gets an empty Redis database of its own."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("a", "b")


def test_a_server_of_ones_own(own_redis: Server) -> None:
    """Killed, it is away; started again it is where it was, with what it had; removed, it is gone."""
    with redis.Redis.from_url(own_redis.url) as client:
        client.set("a", "b")
        own_redis.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("a")
        own_redis.start()
        assert client.get("a") == b"b"
    folder = own_redis.folder
    own_redis.remove()
    assert not folder.exists()


@pytest.mark.matrix
def test_a_restarted_postgresql(own_postgresql: Server) -> None:
    """PostgreSQL keeps what was committed when it is killed."""
    url = own_postgresql.url.replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE a (b text)")
    own_postgresql.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    own_postgresql.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchone() == (0,)


@pytest.mark.matrix
def test_a_restarted_mariadb(own_mariadb: Server) -> None:
    """MariaDB lets us in again after it was killed."""
    at = urlsplit(own_mariadb.url)
    own_mariadb.kill()
    own_mariadb.start()
    pymysql.connect(
        host=at.hostname, port=at.port or 0, user=at.username, password=at.password or "", database="spantap"
    ).close()


def test_nobody_runs_without_them_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server a test is skipped and says how to get one; in the gate it fails."""
    monkeypatch.delenv("SPANTAP_TEST_REDIS", raising=False)
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="make services"):
        fixtures.shared(Redis)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="make services"):
        fixtures.shared(Redis)
