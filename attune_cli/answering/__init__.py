"""Answers that people give on a terminal: lines, an editor, and the form that a schema makes of them."""
