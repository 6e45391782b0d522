"""What a kind of setting says of a value it does not take."""


class NotAllowedError(ValueError):
    """A value a setting does not take; the message says what it takes."""
