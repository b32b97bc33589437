"""Gates for codex-runner."""
