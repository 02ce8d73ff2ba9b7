"""Workflows and inquiries: executions that wait for others, moved on within the engine's tick (architecture.md 6)."""
