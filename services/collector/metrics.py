"""Every metric of the collector, named once: what it measures, in which unit, and what a person does about it."""

from services.common.metrics import Counter, Histogram

RECORDS = Counter(
    "collector.records", "{record}", "Records taken in, by provider and outcome.", "Many rejected or quarantined: read their findings."
)
RECORDS_DISPLACED = Counter(
    "collector.records_displaced",
    "{record}",
    "Records at a place of the log where another one was answered: the log lost its end.",
    "Any: have the topic deleted and made again, and its provider send anew from the last receipt that it can confirm.",
)
INTAKE_DURATION = Histogram("collector.intake.duration", "s", "Time to take in one batch, without its commit.", "Above 1 s: see the log.")
ACCOUNTS_REVISED = Counter("collector.accounts_revised", "{revision}", "Account revisions sealed.", "Zero while work waits: read the log.")
ACCOUNTS_UNCHANGED = Counter(
    "collector.accounts_unchanged", "{account}", "Rebuilds that changed nothing.", "Most of them: something marks subjects without need."
)
REBUILD_DURATION = Histogram(
    "collector.rebuild.duration", "s", "Time to rebuild one account, commit included.", "Above 0.1 s: too many submissions of one subject."
)
