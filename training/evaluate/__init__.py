"""What a model says of questions whose answers are known: metrics, intervals, suites and controls."""
