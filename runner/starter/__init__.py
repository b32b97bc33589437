"""Looks at a repository and writes the files it begins to use codex-runner with."""
