"""Measurements of the runner against bare tools, as ratios taken within one run."""
