"""Attune: event automation in one command and one SQLite file."""

__version__ = "0.3.0"
