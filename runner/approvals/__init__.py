"""Requests to people, and their words: bound to one action, used once, for a short time."""
