"""How much one tick may do: a tick that stays short answers its callers soon and never holds the file long."""

FACTS_PER_TICK = 1000
"""Facts believed in one commit: a thousand short runs ending at once cost one fsync."""

INTENTS_PER_TICK = 500
"""Cancels begun in one commit; the rest follow in the next tick."""

STARTS_PER_TICK = 200
"""Runs admitted in one commit: more would only wait for processes to be started one by one."""

ORCHESTRATION_ROUNDS = 25
"""How often one tick goes over what waits: a workflow within workflows begins at once, a runaway waits its turn."""

WORKFLOWS_PER_ROUND = 100
"""Workflows moved on in one round: what is due beyond them has its turn in the next."""

TASKS_PER_ROUND = 40
"""Tasks of one workflow that end or begin in one round, and executions made for them: a loop that spins waits too."""

WORK_PER_TICK = 16 * 1024 * 1024
"""What the expressions of workflows, and those of rules, may go through in one commit, in characters: some second at
the worst, while others wait to write."""

FAULTS_KEPT = 100
"""What went wrong between the tasks of one workflow, as far as it is kept: a loop may do it again and again."""

WORKFLOW_NESTING = 20
"""Workflows within workflows: one that begins itself ends here."""

REQUESTS_PER_TICK = 500
"""Callers served in one commit: a burst shares its fsync, and the first of it is not kept waiting."""

EVENTS_PER_TICK = 200
"""Events judged in one commit: a burst shares its fsync, and what it starts is not kept waiting."""

VERDICTS_PER_TICK = 2000
"""Verdicts in one commit, whatever the number of events: one event may concern ten thousand rules."""

TIMERS_PER_TICK = 500
"""Timers that fire, or are made, in one commit."""

CHANGES_PER_TICK = 1000
"""Changes of the platform itself that are looked at in one commit."""

STARTED_WAITING_PER_TICK = 200
"""Enforcements whose turn has come, carried out in one commit."""

SWEPT_PER_TICK = 500
"""Rows of each kind deleted in one commit because they are old."""

SWEEP_SECONDS = 600
"""How long the reactor rests when nothing was left to be swept."""

DEFINITIONS_KEPT = 1000
"""Decoded definitions that an engine keeps: more than that are in use only over months, as packs are upgraded."""
