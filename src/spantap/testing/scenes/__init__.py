"""All scenes, by what they are about. Importing this package knows them all."""

from spantap.testing.scenes import bodies, composed, endings, reading, requests, responses, streams
from spantap.testing.scenes.words import answer, respond

__all__ = [
    "answer",
    "bodies",
    "composed",
    "endings",
    "reading",
    "requests",
    "respond",
    "responses",
    "streams",
]
