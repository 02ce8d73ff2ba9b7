"""From what was asked for to a finished run: submit, follow, present; and what is done to runs."""
