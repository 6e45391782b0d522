"""The only room that imports the OpenTelemetry SDK: sessions, clean copies, queues, exporters."""
