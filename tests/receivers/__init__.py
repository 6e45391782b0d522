"""Servers that stand in for what spantap sends to, written without any of spantap."""
