"""Drawings of workflows and trees: as text, Mermaid and DOT."""
