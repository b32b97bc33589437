"""Checks on text before, around and after the agent. Deterministic: no model, no network."""
