"""Actions in containers of a Docker engine: what they are made of, how they are held, and what becomes of them."""
