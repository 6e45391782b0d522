-- Where a Collector's `clickhouse` exporter writes what spantap sends, and what a viewer reads.
--
--   otel_traces         every span, in the exporter's own columns; three days
--   exchanges           one row for each HTTP exchange: what lists, filters and figures need; thirty days
--   exchange_contents   its headers and bodies; seven days
--
-- Run it once, then let the exporter make nothing itself (`create_schema: false`). Where it has made
-- otel_traces already, this leaves that table as it is and adds the rest; what is in it already is not
-- copied. The days are yours to change. Nothing but the exchanges wanted? Then otel_traces may end, after
-- its columns, with `ENGINE = Null`: the views below read what is inserted, not what is kept.

CREATE TABLE IF NOT EXISTS otel_traces
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
TTL toDateTime(Timestamp) + INTERVAL 3 DAY
SETTINGS ttl_only_drop_parts = 1;

-- When a trace was: the exporter's lookup table. It lives as long as the exchanges do.
CREATE TABLE IF NOT EXISTS otel_traces_trace_id_ts
(
    TraceId String CODEC(ZSTD(1)),
    Start DateTime CODEC(Delta(4), ZSTD(1)),
    End DateTime CODEC(Delta(4), ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(Start)
ORDER BY (TraceId, Start)
TTL Start + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_trace_id_ts_mv TO otel_traces_trace_id_ts AS
SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End
FROM otel_traces
WHERE TraceId != ''
GROUP BY TraceId;

-- What comes twice (delivery is at least once) is one row after the next merge; the queries count it once.
CREATE TABLE IF NOT EXISTS exchanges
(
    start DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    duration UInt64 CODEC(ZSTD(1)) COMMENT 'nanoseconds, to the last byte',
    first_byte UInt64 CODEC(ZSTD(1)) COMMENT 'nanoseconds after the start; 0: no byte came',
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    parent_span_id String CODEC(ZSTD(1)),
    direction LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'inbound or outbound',
    service LowCardinality(String) CODEC(ZSTD(1)),
    environment LowCardinality(String) CODEC(ZSTD(1)),
    method LowCardinality(String) CODEC(ZSTD(1)),
    scheme LowCardinality(String) CODEC(ZSTD(1)),
    server LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'host the client asked for',
    path String CODEC(ZSTD(1)),
    query String CODEC(ZSTD(1)),
    route LowCardinality(String) CODEC(ZSTD(1)),
    endpoint LowCardinality(String) CODEC(ZSTD(1)),
    status UInt16 CODEC(ZSTD(1)) COMMENT '0: the app gave no answer',
    error_type LowCardinality(String) CODEC(ZSTD(1)),
    error_message String CODEC(ZSTD(1)),
    incomplete LowCardinality(String) CODEC(ZSTD(1)),
    user String CODEC(ZSTD(1)),
    user_hash String CODEC(ZSTD(1)),
    email String CODEC(ZSTD(1)),
    company String CODEC(ZSTD(1)),
    session String CODEC(ZSTD(1)),
    device String CODEC(ZSTD(1)),
    client String CODEC(ZSTD(1)) COMMENT 'address',
    answering_span_id String CODEC(ZSTD(1)) COMMENT 'outbound: the request that was being answered meanwhile',
    resends UInt16 CODEC(ZSTD(1)) COMMENT 'outbound: how often it had been sent before',
    request_size UInt64 CODEC(ZSTD(1)) COMMENT 'bytes of the body on the wire',
    response_size UInt64 CODEC(ZSTD(1)) COMMENT 'bytes of the body on the wire',
    metadata String CODEC(ZSTD(1)) COMMENT 'JSON',
    metrics Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
    redactions Map(LowCardinality(String), UInt32) CODEC(ZSTD(1)) COMMENT 'rule: values it masked',
    weight Float64 DEFAULT 1 CODEC(ZSTD(1)) COMMENT 'how many exchanges it stands for',
    capture_reason LowCardinality(String) CODEC(ZSTD(1)),
    INDEX by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_user user TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_status status TYPE set(64) GRANULARITY 1,
    INDEX by_duration duration TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(start)
PRIMARY KEY start
ORDER BY (start, trace_id, span_id)
TTL toDateTime(start) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS exchanges_mv TO exchanges AS
WITH SpanAttributes AS a
SELECT
    Timestamp AS start,
    Duration AS duration,
    toUInt64OrZero(a['spantap.time_to_first_byte']) AS first_byte,
    TraceId AS trace_id,
    SpanId AS span_id,
    ParentSpanId AS parent_span_id,
    if(SpanKind = 'Client', 'outbound', 'inbound') AS direction,
    ServiceName AS service,
    ResourceAttributes['deployment.environment.name'] AS environment,
    if(a['http.request.method'] = '_OTHER', a['http.request.method_original'], a['http.request.method'])
        AS method,
    a['url.scheme'] AS scheme,
    a['server.address'] AS server,
    a['url.path'] AS path,
    a['url.query'] AS query,
    a['http.route'] AS route,
    a['spantap.endpoint'] AS endpoint,
    toUInt16OrZero(a['http.response.status_code']) AS status,
    a['error.type'] AS error_type,
    a['spantap.error.message'] AS error_message,
    a['spantap.incomplete'] AS incomplete,
    a['user.id'] AS user,
    a['user.hash'] AS user_hash,
    a['user.email'] AS email,
    a['spantap.company.id'] AS company,
    a['session.id'] AS session,
    a['spantap.device.id'] AS device,
    a['client.address'] AS client,
    a['spantap.answering.span_id'] AS answering_span_id,
    toUInt16OrZero(a['http.request.resend_count']) AS resends,
    toUInt64OrZero(a['http.request.body.size']) AS request_size,
    toUInt64OrZero(a['http.response.body.size']) AS response_size,
    a['spantap.metadata'] AS metadata,
    mapApply(
        (name, value) -> (substring(name, length('spantap.metric.') + 1), toFloat64OrZero(value)),
        mapFilter((name, value) -> startsWith(name, 'spantap.metric.'), a)
    ) AS metrics,
    mapApply(
        (name, value) -> (substring(name, length('spantap.redacted.') + 1), toUInt32OrZero(value)),
        mapFilter((name, value) -> startsWith(name, 'spantap.redacted.'), a)
    ) AS redactions,
    if(a['spantap.weight'] = '', 1, toFloat64OrZero(a['spantap.weight'])) AS weight,
    a['spantap.capture.reason'] AS capture_reason
FROM otel_traces
WHERE a['spantap.record.version'] != '';

-- A table of its own: lists never touch it, its days are fewer, and not everybody need be let in.
CREATE TABLE IF NOT EXISTS exchange_contents
(
    start DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    route LowCardinality(String) CODEC(ZSTD(1)),
    request_headers Map(LowCardinality(String), Array(String)) CODEC(ZSTD(1)),
    request_body String CODEC(ZSTD(3)),
    request_body_truncated Bool CODEC(ZSTD(1)),
    request_body_withheld LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'why there is none',
    response_headers Map(LowCardinality(String), Array(String)) CODEC(ZSTD(1)),
    response_body String CODEC(ZSTD(3)),
    response_body_truncated Bool CODEC(ZSTD(1)),
    response_body_withheld LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'why there is none'
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(start)
PRIMARY KEY start
ORDER BY (start, trace_id, span_id)
TTL toDateTime(start) + INTERVAL 7 DAY
SETTINGS ttl_only_drop_parts = 1, index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS exchange_contents_mv TO exchange_contents AS
WITH SpanAttributes AS a
SELECT
    Timestamp AS start,
    TraceId AS trace_id,
    SpanId AS span_id,
    ServiceName AS service,
    a['http.route'] AS route,
    mapApply(
        (name, value) -> (substring(name, length('http.request.header.') + 1), JSONExtract(value, 'Array(String)')),
        mapFilter((name, value) -> startsWith(name, 'http.request.header.'), a)
    ) AS request_headers,
    a['http.request.body.content'] AS request_body,
    a['spantap.request.body.truncated'] = 'true' AS request_body_truncated,
    a['spantap.request.body.withheld'] AS request_body_withheld,
    mapApply(
        (name, value) -> (substring(name, length('http.response.header.') + 1), JSONExtract(value, 'Array(String)')),
        mapFilter((name, value) -> startsWith(name, 'http.response.header.'), a)
    ) AS response_headers,
    a['http.response.body.content'] AS response_body,
    a['spantap.response.body.truncated'] = 'true' AS response_body_truncated,
    a['spantap.response.body.withheld'] AS response_body_withheld
FROM otel_traces
WHERE a['spantap.record.version'] != '';
