"""Channels to the world outside: a part of the daemon that reads the outbox and sends what somebody wants to hear."""

from attune_cli.runtime.channels.dispatcher import Dispatcher

__all__ = ["Dispatcher"]
