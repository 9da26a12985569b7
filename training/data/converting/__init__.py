"""Annotations of other tools made into training data: tracks and events become questions with evidence."""
