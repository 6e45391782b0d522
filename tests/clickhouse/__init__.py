"""ClickHouse as chdb, the engine in a wheel; it is large, so only `make clickhouse` installs it."""
