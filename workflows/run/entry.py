"""The action's script: inputs -> `codex-runner run --json` -> outputs, job summary, exit code.

1. Inputs are single `--name=value` arguments; none can become an option or a command.
2. While codex-runner prints, workflow commands are switched off with a token it cannot know.
3. Every output is one printable line behind a delimiter nobody can guess.
4. Findings become annotations of one line each, made and escaped by codex-runner.
5. What GitHub is to attest is handed on only after `codex-runner verify` said that all of it holds.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

OPTIONS = ("engine", "model", "reviewer-model", "base", "test", "prompt")
MAX_REPORT_BYTES = 64 * 1024 * 1024
MAX_SUMMARY_BYTES = 900 * 1024
"""GitHub drops a step's summary of more than 1 MiB."""
RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
ANNOTATION = re.compile(r"::(?:error|warning) (?:file=|title=)[^\x00-\x1f\x7f]*")
MAX_ANNOTATIONS = 20
"""GitHub shows ten errors and ten warnings of a step."""
CONCLUSION = re.compile(r"[a-z]+(-[a-z]+)*")
NO_REPORT = "no-report"
EVIDENCE = ("checkpoint", "bundle", "predicate")
"""Outputs for the step that has GitHub attest them."""
AUDITED = "audited"
"""The one success whose findings are what it was for."""


def main() -> int:
    state = Path(os.environ["RUNNER_TEMP"]) / "codex-runner"
    code, printed = perform(arguments(state))
    report = parse(printed)
    folder = folder_of(report, state)
    evidence = evidence_of(folder) if os.environ.get("INPUT_ATTEST") == "true" else {}
    conclusion = outputs(report, folder, evidence or {})
    summarise(folder, conclusion)
    if folder and (code or conclusion == AUDITED):
        annotate(folder)
    if evidence is None:
        print("::error title=codex-runner::the evidence of the run does not verify", flush=True)
        code = code or 1
    kind = "notice" if code == 0 else "error"
    print(f"::{kind} title=codex-runner::{conclusion}, exit status {code}", flush=True)
    return code


def arguments(state: Path) -> list[str]:
    """The command line; an empty input is an input not given."""
    given = {
        name: os.environ.get(f"INPUT_{name.upper().replace('-', '_')}", "") for name in OPTIONS
    }
    argv = ["codex-runner", "run", "--json", f"--state={state}"]
    argv.append(f"--repository={os.environ.get('INPUT_REPOSITORY') or '.'}")
    argv += [f"--{name}={value}" for name, value in given.items() if value]
    if os.environ.get("INPUT_PUBLISH", "true") != "true":
        argv.append("--no-publish")
    task = os.environ.get("INPUT_TASK", "")
    return [*argv, "--", task] if task else argv


def perform(argv: list[str]) -> tuple[int, bytes]:
    """Exit status and stdout; stderr goes to the log with workflow commands switched off."""
    token = secrets.token_hex(32)
    with tempfile.TemporaryFile() as stdout:
        print(f"::stop-commands::{token}", flush=True)
        try:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=1)
            code = wait(child)
        finally:
            print(f"\n::{token}::", flush=True)
        stdout.seek(0)
        return code, stdout.read(MAX_REPORT_BYTES)


def wait(child: subprocess.Popen[bytes]) -> int:
    """Its exit status, 128 + N for signal N. Cancelling the job reaches it as ^C does."""

    def forward(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        child.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, forward)
    code = child.wait()
    return code if code >= 0 else 128 - code


def parse(printed: bytes) -> dict[str, object]:
    """The report; empty when codex-runner ended before there was one."""
    try:
        report = json.loads(printed)
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}


def folder_of(report: dict[str, object], state: Path) -> Path | None:
    """The run's folder, when the report names a run and the folder exists."""
    run = report.get("run")
    if not isinstance(run, str) or not RUN_ID.fullmatch(run):
        return None
    folder = state / "runs" / run
    return folder if folder.is_dir() else None


def outputs(report: dict[str, object], folder: Path | None, evidence: dict[str, str]) -> str:
    """Write GITHUB_OUTPUT; returns the conclusion."""
    conclusion = line(report.get("conclusion"))
    if not CONCLUSION.fullmatch(conclusion):
        conclusion = NO_REPORT
    publication = report.get("publication")
    published: dict[str, object] = publication if isinstance(publication, dict) else {}
    values = {
        "conclusion": conclusion,
        "branch": line(published.get("ref")).removeprefix("refs/heads/"),
        "pull-request-url": line(published.get("url")),
        "report": str(folder / "report.json") if folder else "",
        **dict.fromkeys(EVIDENCE, ""),
        **evidence,
    }
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
        for name, value in values.items():
            delimiter = secrets.token_hex(32)
            file.write(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")
    return conclusion


def evidence_of(folder: Path | None) -> dict[str, str] | None:
    """Checkpoint, bundle and predicate to be attested; None = the run does not verify."""
    if folder is None:
        return {}
    bundle, predicate = folder / "run.sigstore.jsonl", folder / "checkpoint.json"
    state = f"--state={folder.parent.parent}"
    argv = ["codex-runner", "verify", f"--bundle={bundle}", state, folder.name]
    none = subprocess.DEVNULL
    if subprocess.run(argv, stdin=none, stdout=none, stderr=none, check=False).returncode:
        return None
    checkpoint, key = folder / "checkpoint", folder.parent.parent / "keys" / "receipt.pub"
    texts = {"checkpoint": checkpoint.read_text("utf-8"), "key": key.read_text("utf-8")}
    told = {"run": folder.name, **texts}
    predicate.write_text(json.dumps(told), encoding="utf-8")
    paths = (checkpoint, bundle, predicate)
    return {name: str(path) for name, path in zip(EVIDENCE, paths, strict=True)}


def annotate(folder: Path) -> None:
    """The findings at their files and lines; of what is printed only these commands are passed."""
    argv = ["codex-runner", "show", "--annotations", f"--state={folder.parent.parent}", folder.name]
    none, pipe = subprocess.DEVNULL, subprocess.PIPE
    done = subprocess.run(argv, stdin=none, stdout=none, stderr=pipe, check=False)
    rows = done.stderr.decode(errors="replace").split("\n")
    for row in [row for row in rows if ANNOTATION.fullmatch(row)][:MAX_ANNOTATIONS]:
        print(row, flush=True)


def line(value: object) -> str:
    """One printable line of at most 1000 characters, empty for anything that is not text."""
    text = value if isinstance(value, str) else ""
    return "".join(char for char in text if char.isprintable())[:1000]


def summarise(folder: Path | None, conclusion: str) -> None:
    """report.md becomes the job's summary; it is sanitised where it is written."""
    told = f"codex-runner: {conclusion}\n".encode()
    if folder and (folder / "report.md").is_file():
        told = (folder / "report.md").read_bytes()[:MAX_SUMMARY_BYTES]
    with open(os.environ["GITHUB_STEP_SUMMARY"], "ab") as file:
        file.write(told)


if __name__ == "__main__":
    sys.exit(main())
