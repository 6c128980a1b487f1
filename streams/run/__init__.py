"""What ``goldendog run`` does: a run with its doors, sinks and reports, until it is told to stop."""
