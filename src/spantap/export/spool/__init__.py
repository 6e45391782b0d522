"""Records of bytes in files, until somebody has taken them: the disk half of a queue.

Knows nothing of spans: what a record holds, who takes it and when it is given up is `spantap.otel.spool`'s
business.
"""
