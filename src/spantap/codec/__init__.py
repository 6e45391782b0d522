"""How facts are written down: exchanges to and from attributes, records and lines. Pure."""
