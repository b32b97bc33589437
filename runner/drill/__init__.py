"""Planted attacks a person runs against their own configuration, and the scorecard."""
