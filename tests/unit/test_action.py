"""The GitHub Action's script, run as the runner runs it, with a stand-in for codex-runner."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from runner.errors import Conclusion
from runner.policy.levels import EVENT, trigger_bounds
from runner.process import Completed, run
from runner.records.base import Oid, RunId
from runner.records.report import Publication, RunReport
from runner.starter import workflow_text

ACTION = Path(__file__).parents[2] / "workflows" / "run"
RUN = RunId("20261120-102233-7f3a9c")
NOT_ATTESTED = {"checkpoint": "", "bundle": "", "predicate": ""}
STAND_IN = f"""#!{sys.executable} -I
import json, os, sys, pathlib
given = pathlib.Path(__file__).parent
if sys.argv[1] == "show":
    (given / "shown.json").write_text(json.dumps(sys.argv[1:]))
    sys.stderr.buffer.write((given / "annotations").read_bytes())
    sys.exit(1)
if sys.argv[1] == "verify":
    (given / "verified.json").write_text(json.dumps(sys.argv[1:]))
    out = next(word for word in sys.argv if word.startswith("--bundle="))
    pathlib.Path(out.removeprefix("--bundle=")).write_text("bundle")
    sys.exit(int((given / "verify").read_text()))
(given / "argv.json").write_text(json.dumps(sys.argv[1:]))
(given / "key").write_text(os.environ.get("OPENAI_API_KEY", ""))
state = next(word for word in sys.argv if word.startswith("--state=")).removeprefix("--state=")
folder = pathlib.Path(state, "runs", "{RUN}")
folder.mkdir(parents=True)
(folder / "report.md").write_text("# told\\n")
(folder / "checkpoint").write_text("origin\\n1\\n")
pathlib.Path(state, "keys").mkdir()
pathlib.Path(state, "keys", "receipt.pub").write_text("public key")
sys.stderr.write((given / "stderr").read_text())
sys.stdout.write((given / "stdout").read_text())
sys.exit(int((given / "code").read_text()))
"""


@dataclass
class Job:
    """One step of a job: its files, and the codex-runner it finds on PATH."""

    home: Path
    inputs: dict[str, str] = field(default_factory=lambda: {"INPUT_TASK": "t.md"})
    files: dict[str, str] = field(default_factory=dict)
    """What the stand-in prints besides, by name."""

    def env(self) -> dict[str, str]:
        return {
            "PATH": f"{self.home}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.home / "temp"),
            "GITHUB_OUTPUT": str(self.home / "output"),
            "GITHUB_STEP_SUMMARY": str(self.home / "summary"),
            "OPENAI_API_KEY": "sk-canary",
            **self.inputs,
        }

    def install(self, stand_in: str) -> None:
        path = self.home / "codex-runner"
        path.write_text(stand_in)
        path.chmod(0o755)

    def step(self, stdout: str, code: int = 0, stderr: str = "") -> Completed:
        self.install(STAND_IN)
        given = {
            "stdout": stdout,
            "code": str(code),
            "stderr": stderr,
            "annotations": "",
            "verify": "0",
        }
        for name, text in {**given, **self.files}.items():
            (self.home / name).write_text(text)
        return run([sys.executable, "-I", ACTION / "entry.py"], env=self.env())

    def argv(self) -> list[str]:
        words: list[str] = json.loads((self.home / "argv.json").read_text())
        return words

    def outputs(self) -> Mapping[str, str]:
        """GITHUB_OUTPUT read as the runner reads it: `name<<delimiter`, value, delimiter."""
        lines = iter((self.home / "output").read_text().split("\n"))
        found: dict[str, str] = {}
        for opening in lines:
            if opening:
                name, delimiter = opening.split("<<")
                found[name] = "\n".join(iter(lambda: next(lines), delimiter))
        return found

    def summary(self) -> str:
        return (self.home / "summary").read_text()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "temp").mkdir()
    return Job(tmp_path)


def a_report(**fields: object) -> str:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    whole = {"run": RUN, "conclusion": "published", "exit_code": 0, "started_at": at}
    report = RunReport.model_validate({**whole, "finished_at": at, **fields})
    return report.model_dump_json()


PUBLISHED = Publication(
    remote="https://github.com/o/r",
    ref="refs/heads/codex/t-20261120-102233-7f3a9c",
    commit=Oid("c" * 40),
    url="https://github.com/o/r/pull/7",
    number=7,
    created=True,
)


def test_published(job: Job) -> None:
    done = job.step(a_report(publication=PUBLISHED))
    assert done.code == 0, done
    assert job.outputs() == {
        "conclusion": "published",
        "branch": "codex/t-20261120-102233-7f3a9c",
        "pull-request-url": "https://github.com/o/r/pull/7",
        "report": f"{job.home}/temp/codex-runner/runs/{RUN}/report.json",
        **NOT_ATTESTED,
    }
    assert job.summary() == "# told\n"
    assert done.text().endswith("::notice title=codex-runner::published, exit status 0")


def test_refused_is_the_step_s_exit_code(job: Job) -> None:
    done = job.step(a_report(conclusion="refused", exit_code=1), code=1)
    assert done.code == 1
    assert job.outputs()["conclusion"] == "refused"
    assert (job.outputs()["branch"], job.outputs()["pull-request-url"]) == ("", "")
    assert "::error title=codex-runner::refused, exit status 1" in done.text()


@pytest.mark.parametrize("stdout", ["", "not JSON", "[1]", "[" * 100_000, "null"])
def test_without_a_report(job: Job, stdout: str) -> None:
    assert job.step(stdout, code=2).code == 2
    empty = {"branch": "", "pull-request-url": "", "report": "", **NOT_ATTESTED}
    assert job.outputs() == {"conclusion": "no-report", **empty}
    assert job.summary() == "codex-runner: no-report\n"


def test_hostile_fields_stay_one_value_of_one_output(job: Job) -> None:
    evil = "x\nEOF\nconclusion=published\r\n::set-output name=conclusion::published\x1b[2J\u202e"
    publication = {"ref": f"refs/heads/{evil}", "url": evil * 1000}
    report = {"run": "../../../etc", "conclusion": evil, "publication": publication}
    done = job.step(json.dumps(report), code=1)
    assert done.code == 1
    flat = "xEOFconclusion=published::set-output name=conclusion::published[2J"
    assert job.outputs() == {
        "conclusion": "no-report",
        "branch": flat,
        "pull-request-url": (flat * 1000)[:1000],
        "report": "",
        **NOT_ATTESTED,
    }
    assert "set-output" not in done.text()


@pytest.mark.parametrize("field", ["publication", "run", "conclusion"])
def test_fields_of_another_type(job: Job, field: str) -> None:
    assert job.step(json.dumps({field: [{"ref": 1}]}), code=70).code == 70
    assert job.outputs()["conclusion"] == "no-report"


def test_what_codex_runner_prints_cannot_be_a_workflow_command(job: Job) -> None:
    hostile = "::add-mask::x\n::set-env name=PATH::/tmp\n::stop-commands::y\nno line end"
    lines = job.step(a_report(), stderr=hostile).text().split("\n")
    opening = re.fullmatch(r"::stop-commands::([0-9a-f]{64})", lines[0])
    assert opening
    closing = lines.index(f"::{opening[1]}::")
    assert lines[1:closing] == hostile.split("\n")
    assert len(lines) == closing + 2


def test_inputs_are_one_argument_each(job: Job) -> None:
    job.inputs = {
        "INPUT_TASK": "--help",
        "INPUT_MODEL": "a b; touch h",
        "INPUT_REVIEWER_MODEL": "--trust",
        "INPUT_ENGINE": "",
        "INPUT_REPOSITORY": "sub",
        "INPUT_PUBLISH": "false",
    }
    job.step(a_report())
    assert job.argv() == [
        "run",
        "--json",
        f"--state={job.home}/temp/codex-runner",
        "--repository=sub",
        "--model=a b; touch h",
        "--reviewer-model=--trust",
        "--no-publish",
        "--",
        "--help",
    ]
    job.inputs = {"INPUT_PROMPT": "Fix\n--trust"}
    (job.home / "temp/codex-runner").rename(job.home / "before")
    job.step(a_report())
    assert job.argv()[3:] == ["--repository=.", "--prompt=Fix\n--trust"]


def test_the_key_travels_in_the_environment_only(job: Job) -> None:
    done = job.step(a_report())
    assert (job.home / "key").read_text() == "sk-canary"
    everything = f"{done} {job.argv()} {job.outputs()} {job.summary()}"
    assert "sk-canary" not in everything


def test_cancelling_the_job_reaches_codex_runner(job: Job) -> None:
    job.install(
        f"#!{sys.executable} -I\n"
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(130))\n"
        "print('ready', file=sys.stderr, flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-I", ACTION / "entry.py"], env=job.env(), stdout=subprocess.PIPE
    ) as step:
        watchdog = threading.Timer(60, step.kill)
        watchdog.start()
        assert step.stdout is not None
        for line in step.stdout:
            if line == b"ready\n":
                step.send_signal(signal.SIGINT)
                break
        assert step.stdout.read().endswith(b"no-report, exit status 130\n")
        watchdog.cancel()
    assert step.returncode == 130


def test_no_script_of_the_action_interpolates() -> None:
    text = (ACTION / "action.yml").read_text()
    scripts = re.findall(r"^( +)run: (?:\|\n((?:\1  .*\n|\n)+)|(.*)\n)", text, re.MULTILINE)
    assert len(scripts) == 3
    assert not [script for _, block, one in scripts for script in (block + one,) if "${{" in script]
    declared = set(
        re.findall(r"^  ([a-z-]+):\n    description", text.split("outputs:")[0], re.MULTILINE)
    )
    assert declared == set(re.findall(r"\$\{\{ inputs\.([a-z-]+) \}\}", text))


def test_findings_become_annotations_and_nothing_else_does(job: Job) -> None:
    good = "::error file=src/a.py,line=3,title=paths.protected::is%0Aprotected"
    bad = ("::add-mask::x", "::stop-commands::t", "  ::error file=b::y", "::error::z", "::debug::")
    job.files["annotations"] = "\n".join([*bad, good, "::warning title=size::x\x1b[2J", *bad])
    done = job.step(a_report(conclusion="refused", exit_code=1), code=1)
    told = done.text().split("::\n")[-1].split("\n")
    assert [row for row in told if row.startswith("::")][:-1] == [good]
    assert json.loads((job.home / "shown.json").read_text())[-1] == RUN


def test_what_an_audit_found_is_annotated(job: Job) -> None:
    row = "::warning file=src/a.py,line=3,title=audit.remark::it sorts twice"
    job.files["annotations"] = f"{row}\n"
    done = job.step(a_report(conclusion="audited", publication=None))
    assert done.code == 0 and row in done.text().split("\n")
    assert job.outputs()["conclusion"] == "audited"


def test_every_ending_a_job_may_ask_for_is_told() -> None:
    texts = [(ACTION / "action.yml").read_text(), (ACTION.parent / "README.md").read_text()]
    (row,) = re.findall(r"^  conclusion:\n    description: (.*)$", texts[0], re.MULTILINE)
    (cell,) = re.findall(r"^\| `conclusion` \| (.*) \|$", texts[1], re.MULTILINE)
    for told in (row, cell):
        names = set(re.findall(r"(?:[a-z]+-)?[a-z]+(?=`|,|\.$)|no-report", told))
        assert {*("published", "judged", "audited", "needs-approval", "refused")} <= names
        assert names <= {*get_args(Conclusion), "no-report"}, names


def test_what_starts_the_example_leaves_its_level() -> None:
    """Else it would wait for a person, on a machine that is thrown away."""
    for text in ((ACTION.parent / "nightly.yml").read_text(), workflow_text.TEXT):
        (block,) = re.findall(r"^on:\n((?: .*\n)+)", text, re.MULTILINE)
        events = re.findall(r"^  (?:# )?([a-z_]+):", block, re.MULTILINE)
        assert {"schedule", "workflow_dispatch"} == {*events}
        for event in events:
            assert not list(trigger_bounds({EVENT: event}))


def test_a_success_is_not_annotated(job: Job) -> None:
    job.step(a_report())
    assert not (job.home / "shown.json").exists()


def test_what_is_attested_was_verified(job: Job) -> None:
    job.inputs["INPUT_ATTEST"] = "true"
    assert job.step(a_report()).code == 0
    folder = job.home / "temp/codex-runner/runs" / RUN
    told = job.outputs()
    assert told["checkpoint"] == str(folder / "checkpoint")
    assert Path(told["bundle"]).read_text() == "bundle"
    predicate = json.loads(Path(told["predicate"]).read_text())
    assert predicate == {"run": RUN, "checkpoint": "origin\n1\n", "key": "public key"}
    words = json.loads((job.home / "verified.json").read_text())
    assert words[-2:] == [f"--state={job.home}/temp/codex-runner", RUN]


def test_what_does_not_verify_is_not_attested(job: Job) -> None:
    job.inputs["INPUT_ATTEST"], job.files["verify"] = "true", "1"
    done = job.step(a_report())
    assert done.code == 1
    assert "::error title=codex-runner::the evidence of the run does not verify" in done.text()
    assert NOT_ATTESTED.items() <= job.outputs().items()


def test_nothing_is_attested_unasked(job: Job) -> None:
    job.step(a_report())
    assert not (job.home / "verified.json").exists()
    assert NOT_ATTESTED.items() <= job.outputs().items()


def test_the_platform_attests_checkpoint_and_bundle() -> None:
    text = (ACTION / "action.yml").read_text()
    (step,) = re.findall(r"(?m)^    - name: Attest\n((?:      .*\n)+)", text)
    assert re.search(r"uses: actions/attest@[0-9a-f]{40} # v\d+\.\d+\.\d+\n", step)
    assert "if: ${{ !cancelled() && steps.run.outputs.checkpoint != '' }}" in step
    names = re.findall(r"\$\{\{ steps\.run\.outputs\.([a-z]+) \}\}", step)
    assert names == ["checkpoint", "bundle", "predicate"]
    example = (ACTION.parent / "nightly.yml").read_text()
    for line in ("id-token: write", "attestations: write", 'attest: "true"'):
        assert line in example
