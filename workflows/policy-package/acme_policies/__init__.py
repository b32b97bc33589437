"""Holds requirements.toml; never imported."""
