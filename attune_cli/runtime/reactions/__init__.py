"""Reactions: from what happens to what is run (domain.md 3.3, 4; ADR 0016, 0017).

`reactor` is the stage of the engine's tick; `judging` says what a rule makes of an event, and why.
"""
