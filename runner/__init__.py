"""codex-runner: a sandboxed CI runner around `codex exec`."""

__version__ = "0.1.0"
