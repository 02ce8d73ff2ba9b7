"""Conditions, templates and the expressions in them (domain.md 4.2, 4.3, 5.6): pure, bounded, and without time.

Jinja2 reads an expression; what it means is computed here, node by node, so that no attribute of Python can be
reached and nothing can run or grow without end (docs/adr/0022).
"""
