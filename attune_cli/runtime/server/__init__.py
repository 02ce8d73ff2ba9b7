"""The daemon's HTTP server: webhooks, events, streams (api.md). Imported by the daemon only."""

from attune_cli.runtime.server.part import Server

__all__ = ["Server"]
