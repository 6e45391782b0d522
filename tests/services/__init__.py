"""PostgreSQL, MariaDB and Redis for tests: real servers in folders of their own.

`servers` and `install` need nothing but Python: the gate starts them before there is a virtual environment.
"""
