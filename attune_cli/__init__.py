"""Attune: event automation in one command and one SQLite file."""

__version__ = "0.2.0"
