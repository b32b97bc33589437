"""`codex exec` in a sandbox: generated settings, event stream, watchdogs. Told, never trusted."""
