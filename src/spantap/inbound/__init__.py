"""Doors: one per framework. Two of them, `asgi` and `wsgi`, do all the work."""
