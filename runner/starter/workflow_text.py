"""The workflow for GitHub Actions, around the action in `workflows/run`."""

from __future__ import annotations

from runner.starter.task_text import PATH as TASK

PATH = ".github/workflows/codex-runner.yml"
CHECKOUT = "actions/checkout@34e114876b0b11c390a56381ad16ebd13914f8d5 # v4.3.1"
ACTION = f"OWNER/codex-runner/workflows/run@{'0' * 40} # vX.Y.Z"

TEXT = f"""\
# Lets codex work on a task file of this repository. It leaves a branch codex/... and a draft
# request if every gate passed, and a summary of the job either way. Before its first run:
# 1. Replace OWNER below, and the zeros with the commit of the codex-runner release you have read.
# 2. Make the environment "codex-runner" (Settings > Environments) with the secret OPENAI_API_KEY;
#    required reviewers there would be asked before every run.
# 3. Allow the workflow to open requests: Settings > Actions > General.
name: codex-runner

on:
  workflow_dispatch:
    inputs:
      task:
        description: A task file of this repository.
        default: {TASK}
        required: true
        type: string
  # Every working day; the task is then the one named last below.
  # schedule:
  #   - cron: "17 3 * * 1-5"

# Nothing, but what the job names.
permissions: {{}}

# One run at a time; one more waits.
concurrency:
  group: codex-runner
  cancel-in-progress: false

jobs:
  run:
    name: codex-runner
    runs-on: ubuntu-24.04
    # More than the limits of a run together: setup, agent, tests, review.
    timeout-minutes: 90
    # Where the secret is; only jobs that name it get it.
    environment: codex-runner
    permissions:
      contents: write # push the branch codex/...
      pull-requests: write # open the draft request
    steps:
      - uses: {CHECKOUT}
        with:
          # The token belongs to the publishing step alone.
          persist-credentials: false
      # The sandbox sees the machine's /usr read-only: install there what the tests need.
      # - run: sudo apt-get update -q && sudo apt-get install -y -q PACKAGES
      - uses: {ACTION}
        with:
          task: ${{{{ inputs.task || '{TASK}' }}}}
          # Stays outside of every sandbox.
          api-key: ${{{{ secrets.OPENAI_API_KEY }}}}
          # Requests it opens start no other workflow until a person lets them.
          github-token: ${{{{ github.token }}}}
"""
