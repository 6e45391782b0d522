"""The facts of one HTTP exchange, frozen. Standard library only."""

from spantap.model.body import EMPTY_BODY, Body
from spantap.model.errors import ConfigurationError, Problem, SpantapError, did_you_mean
from spantap.model.exchange import Error, Exchange, Identity, Peer
from spantap.model.headers import Headers
from spantap.model.message import Request, Response
from spantap.model.observation import Collected, Observation
from spantap.model.timing import Timing

__all__ = [
    "EMPTY_BODY",
    "Body",
    "Collected",
    "ConfigurationError",
    "Error",
    "Exchange",
    "Headers",
    "Identity",
    "Observation",
    "Peer",
    "Problem",
    "Request",
    "Response",
    "SpantapError",
    "Timing",
    "did_you_mean",
]
