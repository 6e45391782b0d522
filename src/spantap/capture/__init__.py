"""What was seen: chunks in, an `Observation` out. Knows neither ASGI nor WSGI nor OpenTelemetry."""
