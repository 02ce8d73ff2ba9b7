"""How a workflow goes on: what its tasks begin, what they hand on, and how it ends (domain.md 5)."""
