"""Lends metered access to a model; the only room that holds its key."""
