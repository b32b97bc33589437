"""`python -m runner` is `codex-runner`."""

from runner.cli.main import main

main()
