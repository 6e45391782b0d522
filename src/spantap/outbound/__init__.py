"""The outbound doors: the clients an app sends requests with. Each door knows one client alone."""
