"""How much one tick may do: a tick that stays short answers its callers soon and never holds the file long."""

FACTS_PER_TICK = 1000
"""Facts believed in one commit: a thousand short runs ending at once cost one fsync."""

INTENTS_PER_TICK = 500
"""Cancels begun in one commit; the rest follow in the next tick."""

STARTS_PER_TICK = 200
"""Runs admitted in one commit: more would only wait for processes to be started one by one."""

REQUESTS_PER_TICK = 500
"""Callers served in one commit: a burst shares its fsync, and the first of it is not kept waiting."""
