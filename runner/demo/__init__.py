"""A sample repository and a scripted model: a whole run of the real codex without a key."""
