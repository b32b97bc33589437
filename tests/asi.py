"""OWASP Top 10 for Agentic Applications (2026): which tests stand against which risk.

`python -m tests.asi` runs them and prints a row for each risk, exit status 1 when one failed or was
skipped; `--collect` only counts them; `--write` writes the table that is kept in the repository.
The list, 2026-11: https://genai.owasp.org/resource/owasp-top-10-for-agentic-applications-for-2026/
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / ".github" / "agentic-risks.md"


@dataclass(frozen=True, slots=True)
class Risk:
    """`tests` are `directory/file.py::test`, without parameters."""

    id: str
    title: str
    held_by: str
    tests: tuple[str, ...]


RISKS = (
    Risk(
        "ASI01",
        "Agent Goal Hijack",
        "text is data: hidden text is refused, what outsiders can cause is supervised, and what a "
        "hijacked agent leaves meets the same gates",
        (
            "live/test_guardrails.py::test_a_task_with_hidden_text_is_refused_before_anything_is_spent",
            "live/test_guardrails.py::test_instructions_of_the_repository_are_looked_at",
            "live/test_agent.py::test_every_scenario_does_its_harm",
            "hostile/test_binding.py::test_a_prompt_that_looks_like_an_option",
            "hostile/test_binding.py::test_a_task_that_the_agent_rewrites",
            "unit/test_guardrails_hidden.py::test_refused",
            "unit/test_guardrails.py::test_phrases_warn_and_block_only_where_that_is_asked_for",
            "unit/test_levels.py::test_what_outsiders_can_cause_is_supervised",
            "unit/test_story.py::test_claim_5_nothing_is_pushed_unless_every_gate_passed",
        ),
    ),
    Risk(
        "ASI02",
        "Tool Misuse and Exploitation",
        "every tool call is asked for at a gate that denies what it does not know; rules are read "
        "through nested shells; a hook that breaks lets nothing run",
        (
            "live/test_gate_hook.py::test_what_is_missing_lets_nothing_run",
            "live/test_gate_hook.py::test_a_shim_that_breaks_lets_nothing_run",
            "live/test_gate_hook.py::test_whatever_else_a_gate_says_nothing_runs",
            "live/test_gate_hook.py::test_rules_hold_through_nested_shells_and_tell_their_line",
            "live/test_gate_hook.py::test_a_patch_of_a_protected_path_is_denied",
            "live/test_rules.py::test_codex_itself_refuses_what_a_rule_forbids",
            "unit/test_gating.py::test_the_strictest_word_holds",
            "unit/test_gating.py::test_a_stricter_policy_never_has_a_weaker_word",
            "unit/test_rules.py::test_a_forbidden_command_does_not_hide",
            "unit/test_rules.py::test_what_cannot_be_read_is_never_allowed",
            "unit/test_broker_request.py::test_what_may_cost_store_or_reach_further_is_refused",
        ),
    ),
    Risk(
        "ASI03",
        "Identity and Privilege Abuse",
        "who asks is the connection, never the body; no credential is in the sandbox; each key "
        "speaks in one role; revoked is revoked",
        (
            "contracts/test_gateway.py::test_a_sessions_socket_is_its_agents_whatever_token_is_shown",
            "contracts/test_gateway.py::test_over_tcp_only_a_token_says_who_it_is",
            "contracts/test_gateway.py::test_only_an_administrator_stops",
            "contracts/test_engine.py::test_no_privileges",
            "contracts/test_engine.py::test_no_environment_of_the_host_in_any_process",
            "hostile/test_environment.py::test_nothing_of_the_host_is_inside",
            "live/test_run.py::test_the_key_is_nowhere",
            "unit/test_gateway_gate.py::test_who_names_another_agent_or_tenant_is_denied",
            "unit/test_gateway_gate.py::test_a_stranger_is_denied_with_a_receipt",
            "unit/test_keyring.py::test_each_role_speaks_for_its_kinds_alone",
            "unit/test_keyring.py::test_revoked_from_then_on",
            "unit/test_kill_halting.py::test_a_run_is_known_by_all_its_names",
            "unit/test_identity.py::test_what_changes_an_agent_is_watched_until_it_has_proved_itself",
            "unit/test_identity.py::test_another_tenant_s_agent_is_another_one",
        ),
    ),
    Risk(
        "ASI04",
        "Agentic Supply Chain Vulnerabilities",
        "the pinned codex alone is run; a change of dependencies is judged; policy packages run no "
        "code and can be held to a key; a setup reaches named hosts only",
        (
            "live/test_bad_input.py::test_another_codex",
            "live/test_setup.py::test_a_host_that_is_not_allowed",
            "live/test_setup.py::test_a_task_adds_no_host",
            "contracts/test_images.py::test_the_digest_is_of_what_is_installed",
            "unit/test_codex_package.py::test_another_version",
            "unit/test_gate_dependencies.py::test_refused",
            "unit/test_gate_dependencies.py::test_known_vulnerable_versions_are_refused",
            "unit/test_gate_dependencies.py::test_names_that_are_nearly_others",
            "unit/test_organisation.py::test_where_a_key_is_only_what_it_signed_counts",
            "unit/test_organisation.py::test_an_installed_package_is_enough_and_none_of_its_code_is_run",
        ),
    ),
    Risk(
        "ASI05",
        "Unexpected Code Execution",
        "what an agent runs, runs walled in; its tree is measured from outside and never executed "
        "on the host",
        (
            "contracts/test_engine.py::test_only_a_loopback_interface_and_nowhere_to_go",
            "contracts/test_engine.py::test_covers_cannot_be_changed_moved_or_removed",
            "contracts/test_engine.py::test_kernel_settings_and_devices_are_out_of_reach",
            "contracts/test_engine.py::test_nothing_of_this_machine_is_visible",
            "contracts/test_posture.py::test_every_guarantee_holds_and_nothing_is_left",
            "contracts/test_posture.py::test_a_sandbox_other_than_planned_is_found",
            "hostile/test_host_git.py::test_no_git_of_the_host_looks_at_the_agents_tree",
            "hostile/test_host_git.py::test_what_lies_in_the_current_directory",
            "hostile/test_trees.py::test_one_hostile_entry_is_enough",
            "live/test_agent.py::test_commands_are_walled_in",
            "live/test_run.py::test_a_tree_that_is_no_change",
        ),
    ),
    Risk(
        "ASI06",
        "Memory and Context Poisoning",
        "no session remembers another; instructions of agents are protected paths; what is "
        "continued is what a receipt vouches for",
        (
            "hostile/test_protected_names.py::test_no_operation_on_a_protected_name_succeeds",
            "live/test_run.py::test_the_agent_cannot_reach_what_is_covered",
            "live/test_resume.py::test_what_cannot_be_continued",
            "contracts/test_engine.py::test_two_sandboxes_see_nothing_of_each_other",
            "unit/test_gate_paths.py::test_protected_by_default",
            "unit/test_gate_paths.py::test_other_spellings_of_protected_places_are_protected",
            "unit/test_broker_request.py::test_an_id_never_stands_for_content",
            "unit/test_handed_back.py::test_what_is_blocked_is_not_told_and_the_author_is_not_asked_again",
        ),
    ),
    Risk(
        "ASI07",
        "Insecure Inter-Agent Communication",
        "author, reviewer and gate share no channel; answers are bound to a nonce and a tree; what "
        "is kept is signed, and one key and body have one answer",
        (
            "hostile/test_binding.py::test_a_reviewer_is_told_nothing_by_the_agents_files",
            "hostile/test_told.py::test_writing_into_codexs_own_stream",
            "live/test_gate_hook.py::test_whoever_reaches_the_socket_can_only_ask",
            "unit/test_gate_review.py::test_an_answer_about_something_else_refuses",
            "unit/test_gate_review.py::test_an_answer_to_another_portion_does_not_count",
            "unit/test_gate_review.py::test_every_session_has_its_own_nonce",
            "unit/test_gateway_gate.py::test_the_same_key_with_another_body_is_denied_with_a_receipt",
            "unit/test_approvals_channels.py::test_old_forged_and_repeated_calls_are_none",
            "unit/test_dsse.py::test_no_flipped_bit_passes",
            "unit/test_verify.py::test_no_changed_byte_is_valid",
        ),
    ),
    Risk(
        "ASI08",
        "Cascading Failures",
        "budgets reserve before they spend; attempts end; a gate or ledger that fails allows "
        "nothing; a kill reaches what runs, and a runner that hangs",
        (
            "live/test_kill.py::test_while_the_agent_works",
            "live/test_kill.py::test_a_runner_that_hangs_is_killed",
            "live/test_kill.py::test_while_it_publishes",
            "live/test_sigkill.py::test_nothing_is_left_of_runners_killed_at_any_moment",
            "live/test_spending.py::test_a_day_s_budget_ends_a_run_and_stays_spent",
            "live/test_agent.py::test_a_budget_ends_it",
            "contracts/test_ledger_crash.py::test_three_kills_under_load_lose_nothing_that_was_acknowledged",
            "contracts/test_engine_walls.py::test_processes_are_bounded",
            "unit/test_broker_budget.py::test_no_sequence_spends_more_than_the_budget",
            "unit/test_story.py::test_attempts_end",
            "unit/test_gateway_gate.py::test_a_ledger_that_fails_denies_without_a_receipt_and_is_counted",
            "unit/test_kill_switch.py::test_what_cannot_be_read_stops_everything",
        ),
    ),
    Risk(
        "ASI09",
        "Human-Agent Trust Exploitation",
        "a person approves a digest of what was measured, once, not their own; advice of a model "
        "never weakens; an agent's words are inert",
        (
            "live/test_approvals.py::test_a_person_reads_the_diff_and_types_its_digest",
            "live/test_approvals.py::test_a_reviewer_allows_low_risk_classes_alone",
            "contracts/test_approvals.py::test_an_approval_of_one_digest_cannot_execute_another",
            "contracts/test_approvals.py::test_it_is_used_once_whoever_tries_at_the_same_time",
            "contracts/test_approvals.py::test_advice_of_a_model_creates_no_resolution",
            "hostile/test_told.py::test_hostile_text_is_inert_wherever_it_is_told",
            "unit/test_approvals_queue.py::test_nobody_approves_what_they_ask_for",
            "unit/test_approvals_queue.py::test_a_flood_is_not_asked",
            "unit/test_approvals_auto.py::test_its_output_is_never_weaker_than_its_input",
            "unit/test_approvals_auto.py::test_what_is_no_answer_to_this_question_is_none",
            "unit/test_approvals_auto.py::test_the_four_dangers",
            "unit/test_gate_canary.py::test_who_does_not_name_it_exactly_has_not_read",
            "unit/test_gate_tamper.py::test_tricks_are_refused_by_name_and_line",
        ),
    ),
    Risk(
        "ASI10",
        "Rogue Agents",
        "what was executed without an ALLOW is found; trust comes of verified outcomes alone and "
        "falls at once; a kill lasts until an approver lifts it",
        (
            "live/test_kill.py::test_a_kill_lasts_until_an_approver_lifts_it",
            "live/test_kill.py::test_the_drill_measures_all_of_it",
            "live/test_gate_hook.py::test_who_kills_the_hook_is_found_out",
            "hostile/test_told.py::test_no_event_is_evidence",
            "unit/test_completeness.py::test_every_call_that_ran_has_its_own_allow",
            "unit/test_kill_switch.py::test_only_an_administrator_lifts",
            "unit/test_kill_switch.py::test_taking_the_file_away_lifts_nothing_that_was_seen",
            "unit/test_kill_halting.py::test_the_ledger_brings_a_kill_back_whose_file_is_gone",
            "unit/test_gateway_gate.py::test_a_kill_ends_what_was_allowed_before",
            "unit/test_ladder.py::test_what_is_severe_leads_to_the_ground_at_once",
            "unit/test_ladder.py::test_nobody_climbs_without_a_person",
            "unit/test_score.py::test_a_bad_thing_never_raises",
            "unit/test_outcomes.py::test_allows_gain_nothing_however_many",
        ),
    ),
)


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Suite:
    """A plugin of pytest: what it collects, and how each ended."""

    collected: Counter[str] = field(default_factory=Counter)
    """Cases by test."""
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By test and `passed`, `failed` or `skipped`."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.collected.update(name_of(item.nodeid) for item in items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.ended[name_of(report.nodeid), report.outcome] += 1


def name_of(nodeid: str) -> str:
    """`unit/test_x.py::test_y` of `tests/unit/test_x.py::test_y[z]`."""
    return nodeid.partition("[")[0].removeprefix("tests/")


def collected() -> Suite:
    """Every test of the table, counted and not run; those that are not there are missing."""
    files = dict.fromkeys(test.partition("::")[0] for risk in RISKS for test in risk.tests)
    return _pytest("--collect-only", "-qq", *(f"tests/{file}" for file in files))


def table(cases: Mapping[str, int]) -> str:
    """What is kept: risk, what holds it, and how many cases of which files say so."""
    rows = [
        "# Agentic risks",
        "",
        "OWASP Top 10 for Agentic Applications (2026): what stands against each risk, and how many",
        "cases of the suite try it. Made by `python -m tests.asi --write`; run by",
        "`python -m tests.asi`; `tests/asi.py` names each test. A count is of tests that exist, no",
        "claim that a risk is gone.",
        "",
        "| risk | | held by | cases | in |",
        "|---|---|---|--:|---|",
    ]
    for risk in RISKS:
        files = dict.fromkeys(test.partition("::")[0].removesuffix(".py") for test in risk.tests)
        count = sum(cases[test] for test in risk.tests)
        where = ", ".join(f"`{file.replace('/test_', '/')}`" for file in files)
        rows.append(f"| {risk.id} | {risk.title} | {risk.held_by} | {count} | {where} |")
    return "\n".join([*rows, ""])


def _pytest(*words: str) -> Suite:
    suite = Suite()
    code = pytest.main([f"--rootdir={ROOT}", *words], plugins=[suite])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise SystemExit(f"pytest ended with {code!r}")
    return suite


def _rows(suite: Suite) -> Iterator[tuple[str, bool]]:
    for risk in RISKS:
        count = {
            outcome: sum(suite.ended[test, outcome] for test in risk.tests)
            for outcome in ("passed", "failed", "skipped")
        }
        all_of_them = sum(suite.collected[test] for test in risk.tests)
        told = ", ".join(f"{number} {outcome}" for outcome, number in count.items() if number)
        yield (
            f"{risk.id}  {risk.title:38} {all_of_them:4} cases: {told}",
            (count["passed"] == all_of_them > 0),
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.asi")
    parser.add_argument("--collect", action="store_true", help="count, and run nothing")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.relative_to(ROOT)}")
    parser.add_argument("--only", choices=[risk.id for risk in RISKS])
    asked = parser.parse_args()
    if asked.collect or asked.write:
        text = table(collected().collected)
        sys.stdout.write(text)
        if asked.write:
            TABLE.write_text(text)
        return 0
    chosen = [risk for risk in RISKS if asked.only in {None, risk.id}]
    suite = _pytest("-q", *dict.fromkeys(f"tests/{test}" for risk in chosen for test in risk.tests))
    rows = [row for row, risk in zip(_rows(suite), RISKS, strict=True) if risk in chosen]
    sys.stdout.write("\n" + "".join(f"{text}\n" for text, _ in rows))
    return 0 if all(good for _, good in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
