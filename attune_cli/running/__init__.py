"""From the words of a command to a finished run: read, submit, follow, present."""
