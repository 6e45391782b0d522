-- What a viewer of exchanges asks, over the tables of schema.sql.
--
-- Values are parameters: with clickhouse-client `--param_since='2026-11-21 00:00:00' ...`, over HTTP
-- `param_since=...`; a backslash in them is written twice. Times are UTC. An empty text is no condition.
-- Every query names the stretch of time it is about, so that it reads that and no more.
--
-- A record may stand for several exchanges (its weight, where a rate leaves others out): what counts adds up
-- weights. FINAL counts once what was delivered twice.

-- newest: exchanges, the latest first
-- since, until, service, method, route, path (LIKE), user, status_from, status_to (0: no answer),
-- slower (milliseconds), size
SELECT
    start, trace_id, span_id, service, direction, method, path, query, route, status,
    duration / 1e6 AS milliseconds, user, company, error_type, request_size, response_size, weight
FROM exchanges
WHERE start >= {since:DateTime64(9, 'UTC')} AND start < {until:DateTime64(9, 'UTC')}
    AND ({service:String} = '' OR service = {service:String})
    AND ({method:String} = '' OR method = {method:String})
    AND ({route:String} = '' OR route = {route:String})
    AND ({path:String} = '' OR path LIKE {path:String})
    AND ({user:String} = '' OR user = {user:String})
    AND status BETWEEN {status_from:UInt16} AND {status_to:UInt16}
    AND duration >= {slower:Float64} * 1e6
ORDER BY start DESC
LIMIT 1 BY trace_id, span_id
LIMIT {size:UInt32};

-- exchange: all of one exchange; a list has told its start
-- start, trace_id, span_id
SELECT e.*, c.* EXCEPT (start, trace_id, span_id, service, route)
FROM
(
    SELECT * FROM exchanges
    WHERE start = {start:DateTime64(9, 'UTC')}
        AND trace_id = {trace_id:String} AND span_id = {span_id:String}
    LIMIT 1
) AS e
LEFT JOIN
(
    SELECT * FROM exchange_contents
    WHERE start = {start:DateTime64(9, 'UTC')}
        AND trace_id = {trace_id:String} AND span_id = {span_id:String}
    LIMIT 1
) AS c USING (trace_id, span_id);

-- trace: the spans of a trace from its beginning, and which of them are exchanges
-- trace_id
WITH
    (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) AS since,
    (SELECT max(End) FROM otel_traces_trace_id_ts WHERE TraceId = {trace_id:String}) + 1 AS until
SELECT
    s.Timestamp AS start, s.SpanId AS span_id, s.ParentSpanId AS parent_span_id, s.ServiceName AS service,
    s.SpanKind AS kind, s.SpanName AS name, s.Duration / 1e6 AS milliseconds, s.StatusCode AS outcome,
    e.span_id != '' AS is_exchange, e.method AS method, e.path AS path, e.status AS status, e.user AS user
FROM otel_traces AS s
LEFT JOIN
(
    SELECT span_id, method, path, status, user FROM exchanges
    WHERE trace_id = {trace_id:String} AND start >= since AND start <= until
    LIMIT 1 BY span_id
) AS e ON e.span_id = s.SpanId
WHERE s.TraceId = {trace_id:String} AND s.Timestamp >= since AND s.Timestamp <= until
ORDER BY start, span_id
LIMIT 1 BY span_id;

-- errors_by_route: requests and the share that failed, the most failures first
-- since, until, service, size
SELECT
    service, method, route,
    sum(weight) AS requests,
    sumIf(weight, status >= 500 OR status = 0) AS failed,
    failed / requests AS error_rate
FROM exchanges FINAL
WHERE start >= {since:DateTime64(9, 'UTC')} AND start < {until:DateTime64(9, 'UTC')}
    AND direction = 'inbound'
    AND ({service:String} = '' OR service = {service:String})
GROUP BY service, method, route
ORDER BY failed DESC, requests DESC, service, method, route
LIMIT {size:UInt32};

-- latency_by_route: milliseconds that half, 95 % and 99 % of the requests took at most
-- since, until, service, size
SELECT
    service, method, route,
    sum(weight) AS requests,
    -- Weights here are whole numbers: hundredths.
    quantilesTDigestWeighted(0.5, 0.95, 0.99)(duration / 1e6, toUInt64(round(weight * 100))) AS times,
    times[1] AS p50, times[2] AS p95, times[3] AS p99
FROM exchanges FINAL
WHERE start >= {since:DateTime64(9, 'UTC')} AND start < {until:DateTime64(9, 'UTC')}
    AND direction = 'inbound'
    AND ({service:String} = '' OR service = {service:String})
GROUP BY service, method, route
ORDER BY p95 DESC, service, method, route
LIMIT {size:UInt32};

-- over_time: requests and failures in each interval
-- since, until, service, seconds
SELECT
    toStartOfInterval(start, toIntervalSecond({seconds:UInt32})) AS time,
    sum(weight) AS requests,
    sumIf(weight, status >= 500 OR status = 0) AS failed,
    sumIf(weight, status BETWEEN 400 AND 499) AS refused
FROM exchanges FINAL
WHERE start >= {since:DateTime64(9, 'UTC')} AND start < {until:DateTime64(9, 'UTC')}
    AND direction = 'inbound'
    AND ({service:String} = '' OR service = {service:String})
GROUP BY time
ORDER BY time;

-- top_users: who asks most
-- since, until, service, size
SELECT
    user,
    any(company) AS company,
    sum(weight) AS requests,
    sumIf(weight, status >= 500 OR status = 0) AS failed,
    sum(weight * (request_size + response_size)) AS bytes,
    max(start) AS last_seen
FROM exchanges FINAL
WHERE start >= {since:DateTime64(9, 'UTC')} AND start < {until:DateTime64(9, 'UTC')}
    AND user != ''
    AND ({service:String} = '' OR service = {service:String})
GROUP BY user
ORDER BY requests DESC, user
LIMIT {size:UInt32};

-- search: exchanges with a text in one of their bodies, whatever its case, the latest first
-- since, until, service, text, size
SELECT
    start, trace_id, span_id, service, route,
    positionCaseInsensitiveUTF8(request_body, {text:String}) > 0 AS in_request,
    positionCaseInsensitiveUTF8(response_body, {text:String}) > 0 AS in_response
FROM exchange_contents
WHERE start >= {since:DateTime64(9, 'UTC')} AND start < {until:DateTime64(9, 'UTC')}
    AND ({service:String} = '' OR service = {service:String})
    AND (in_request OR in_response)
ORDER BY start DESC
LIMIT 1 BY trace_id, span_id
LIMIT {size:UInt32};
