"""Apps that play the scenes in their framework's own idiom, one module each.

A module has its app (``app``, or ``asgi`` and ``wsgi``) and PLAYS, the names of the scenes it knows.
``python -m contracts.inbound.frameworks`` plays them all and prints the table.
"""
