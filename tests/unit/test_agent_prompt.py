"""What the author is told."""

from __future__ import annotations

from runner.agent.prompt import author_prompt
from tests.fake_world import make_plan


def test_the_task_comes_last_and_whole() -> None:
    prompt = author_prompt(make_plan())
    assert prompt.endswith("# Task: Fix it\n\nPlease fix it.\n")
    assert "`.git` is read-only" in prompt
    assert "judged by `true`" in prompt


def test_only_what_applies_is_said() -> None:
    plan = make_plan().model_copy(
        update={"test": None, "paths": ("src/**",), "protected": (".github/**", "*.lock")}
    )
    prompt = author_prompt(plan)
    assert "judged by" not in prompt
    assert "Change nothing but: `src/**`." in prompt
    narrow = plan.model_copy(update={"run_paths": ("src/a/**",)})
    assert "\n- Change nothing but: `src/a/**`.\n" in author_prompt(narrow)
    assert "`.github/**`, `*.lock`" in prompt
