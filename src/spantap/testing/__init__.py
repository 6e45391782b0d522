"""Whether an app can tell that spantap is there: scenes played twice over real sockets, and compared.

``python -m spantap.testing`` plays them on every server that is installed and prints the table.
"""
