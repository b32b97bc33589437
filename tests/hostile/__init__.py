"""Attacks through the real product; `python -m tests.hostile` drives a corpus of them."""
