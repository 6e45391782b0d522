"""Destinations: sinks over exchanges. They know nothing of OpenTelemetry."""
