"""Command rules, and every other requirement, as the real codex takes them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.agent import understood
from runner.agent.codex import CodexExec
from runner.agent.config import Hook, Settings
from runner.agent.rules import FORBIDDEN, NOBODY
from runner.agent.understood import ask_codex
from runner.completeness import BLOCKED
from runner.demo.model import Say, ScriptedModel, Shell
from runner.demo.sample import AUTHOR_MODEL
from runner.errors import InfraError
from runner.policy.rules import Rulebook
from runner.ports import Engine, Session
from runner.records.base import RunId
from runner.records.rules import CommandRule
from runner.records.sandbox import Overlay, Walls
from tests.live.conftest import Lend
from tests.live.world import FIX, World

pytestmark = pytest.mark.live
Told = Callable[..., tuple[str, ...]]
STATUS = "git --no-pager log --oneline"
RULES = (
    CommandRule(
        pattern=(("git",), ("--no-pager",), ("log", "show")),
        decision="forbidden",
        justification="history is not the agent's business",
    ),
    CommandRule(pattern=(("head",),), decision="forbidden"),
    CommandRule(pattern=(("wc",),), decision="prompt", justification="counting costs"),
    CommandRule(pattern=(("touch",),), decision="allow"),
)


@pytest.fixture
def told(engine: Engine, overlay: Overlay, relay: Path, tmp_path: Path, lend: Lend) -> Told:
    """`told(rules, *commands)`: what codex answers to each of them."""

    def start(rules: tuple[CommandRule, ...], *commands: str) -> tuple[str, ...]:
        model = ScriptedModel([*map(Shell, commands), Say("Done.")])
        session = Session(
            run=RunId("live"),
            role="agent",
            model=AUTHOR_MODEL,
            prompt="Work.",
            lease=lend(model, AUTHOR_MODEL),
            walls=Walls(wall_s=60),
            idle_s=30,
            events=tmp_path / "events.jsonl",
            workspace=overlay,
        )
        result = CodexExec(engine, "0.163.0", relay, "required", rules=rules).work(session)
        assert result.ok, result
        return model.requests[-1].outputs()

    return start


def test_codex_itself_refuses_what_a_rule_forbids(told: Told, overlay: Overlay) -> None:
    log, both, path, plain, prompt, allowed, other = told(
        RULES,
        STATUS,
        f"true && {STATUS}",
        f"/usr/bin/{STATUS}",
        "head -c 1 /usr/bin/env",
        "wc -c /usr/bin/env",
        "touch /usr/x ./made || echo held",
        "git --no-pager status --short",
    )
    for refused in (log, both, path):
        assert "rejected: history is not the agent's business" in refused
    assert FORBIDDEN in plain
    assert f"{NOBODY}: counting costs" in prompt
    assert "held" in allowed and "exited with code 0" in allowed, "no allow left the sandbox"
    assert "exited with code 0" in other


def test_without_the_rules_the_same_commands_run(told: Told) -> None:
    commands = (STATUS, "head -c 1 /usr/bin/env", "wc -c /usr/bin/env")
    for answer in told((), *commands):
        assert "exited with code 0" in answer


def test_what_codex_does_not_look_through_the_rulebook_does(told: Told) -> None:
    """Why the README calls rules advice. What begins to be refused here, codex has learnt."""
    hidden = (
        f"X=1 {STATUS}",
        f"({STATUS})",
        f"bash -c {shlex.quote(STATUS)}",
        f"env {STATUS}",
        f'{STATUS} "$HOME/none" || true',
    )
    for command, answer in zip(hidden, told(RULES, *hidden), strict=True):
        assert "exited with code 0" in answer, command
        assert Rulebook(RULES).decide(command).decision == "forbidden", command


def test_codex_understands_every_key_it_is_given(engine: Engine, tmp_path: Path) -> None:
    hook = Hook(engine.python, patience_s=14_400)
    chosen = Settings(AUTHOR_MODEL, "agent", True, engine.path, RULES, hook=hook)
    demanded = ask_codex(engine, chosen, tmp_path).requirements
    assert demanded["allowedApprovalPolicies"] == ["never"]
    ((after,),) = (each["hooks"] for each in demanded["hooks"]["PostToolUse"])
    assert (after["command"], after["async"]) == (hook.after, True)


@pytest.mark.parametrize("engine", ["bubblewrap"], indirect=True)
@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("allow_login_shell", "allow_lgin_shell", "`allow_lgin_shell` is ignored"),
        ("justification", "justificaton", "`rules.prefix_rules.0.justificaton` is ignored"),
        ("shell_snapshot", "shel_snapshot", "`shel_snapshot`"),
        ("prefix_rules", "prefix_rule", "missing field `prefix_rules`"),
        ("any_of", "anyof", "set either token or any_of"),
        ('decision = "forbidden"', 'decision = "allow"', "not permitted in requirements.toml"),
        ("PreToolUse", "PreTolUse", "execution gate: hooks.PreToolUse"),
        ("timeout", "timeuot", "timeuot"),
        ("command = ", "comand = ", "command"),
        (f"{understood.PROBE} = true\n", "", "it does not complain"),
    ],
)
def test_a_mistyped_requirement_is_found(
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    right: str,
    wrong: str,
    named: str,
) -> None:
    whole = understood.demanded

    def mistyped(given: Settings) -> str:
        return whole(given).replace(right, wrong)

    monkeypatch.setattr(understood, "demanded", mistyped)
    hook = Hook(engine.python)
    chosen = Settings(AUTHOR_MODEL, "agent", True, engine.path, RULES, hook=hook)
    with pytest.raises(InfraError) as caught:
        ask_codex(engine, chosen, tmp_path)
    assert named in caught.value.problem


RULE = """\
[[rules]]
pattern = ["%s"]
decision = "forbidden"
justification = "so says the %s"
"""


def test_a_run_obeys_the_rules_of_its_user_and_its_repository(world: World) -> None:
    mine = world.home / ".config" / "codex-runner" / "config.toml"
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text(RULE % ("head", "user"))
    (world.sample.repository / ".codex-runner.toml").write_text(RULE % ("wc", "repository"))
    world.commit("Rules")
    with ScriptedModel([Shell("wc -c x"), Shell("cat x | head"), *FIX]) as model:
        ended = world.run_with(model)
    assert ended.code == 0, ended
    answers = max((heard.outputs() for heard in model.requests), key=len)
    assert answers[0].startswith(BLOCKED) and "so says the repository" in answers[0]
    assert answers[1].startswith(BLOCKED) and "so says the user" in answers[1]
    assert ended.report.plan is not None
    assert [rule.shown for rule in ended.report.plan.rules] == ["head", "wc"]

    asked = world.cli("policy", "rules", "ls && wc -c x")
    assert asked.code == 0, asked
    assert asked.stdout.decode() == (
        "forbidden  wc  repository, .codex-runner.toml, line 2: so says the repository\n"
    )
    every = json.loads(world.cli("policy", "rules", "--json").stdout)
    assert [(each["rule"]["pattern"], each["rule"]["layer"]) for each in every] == [
        *(("head", "user"), ("wc", "repository"))
    ]
    for words, told in (
        (("--", "head", "-c", "1"), "forbidden  head  user"),
        (("echo $HOME",), "prompt     cannot be judged before it runs: an expansion"),
        (("--", "ls", "-l"), "allow      no rule speaks of it"),
    ):
        assert world.cli("policy", "rules", *words).stdout.decode().startswith(told)
