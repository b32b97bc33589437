"""Declared guardrails: the published form loads as it is, everything else is named and placed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.guardrails.guard import Guard, Place, ready
from runner.policy.guardrails import load_guardrails, usual_guardrails
from runner.policy.lattice import decide
from runner.policy.readers import read_layer
from runner.policy.toml import parse_toml
from runner.records.guardrail import BUILT_IN, Asking, Pii, SecretKeys, Urls
from runner.records.merge import LayerName
from runner.records.policy import Layer

ENTITIES = ["CREDIT_CARD", "CVV", "CRYPTO", "EMAIL_ADDRESS", "IBAN_CODE", "BIC_SWIFT", "US_SSN"]
ASKING = {"model": "gpt-4.1-mini", "confidence_threshold": 0.7, "include_reasoning": False}
PUBLISHED = {
    "version": 1,
    "pre_flight": {
        "version": 1,
        "guardrails": [
            {"name": "Contains PII", "config": {"entities": [*ENTITIES, "PERSON"], "block": True}},
            {"name": "Moderation", "config": {"categories": ["hate", "self-harm/intent"]}},
            {"name": "Prompt Injection Detection", "config": {**ASKING, "max_turns": 10}},
        ],
    },
    "input": {
        "version": 1,
        "config": {"concurrency": 4, "suppress_tripwire": False},
        "guardrails": [
            {"name": "Jailbreak", "config": ASKING},
            {"name": "Off Topic Prompts", "config": {**ASKING, "system_prompt_details": "deals"}},
            {"name": "Custom Prompt Check", "config": {**ASKING, "system_prompt_details": "x"}},
            {
                "name": "URL Filter",
                "config": {
                    "url_allow_list": ["example.com"],
                    "allowed_schemes": ["https"],
                    "block_userinfo": True,
                    "allow_subdomains": False,
                },
            },
            {"name": "Keyword Filter", "config": {"keywords": ["confidential", "do not share"]}},
        ],
    },
    "output": {
        "version": 1,
        "guardrails": [
            {"name": "Contains PII", "config": {"entities": ENTITIES, "detect_encoded_pii": True}},
            {
                "name": "Secret Keys",
                "config": {"threshold": "balanced", "custom_regex": ["x-[0-9]"]},
            },
            {"name": "Hallucination Detection", "config": {**ASKING, "knowledge_source": "vs_1"}},
            {"name": "NSFW Text", "config": ASKING},
            {"name": "NSFW", "config": ASKING},
            {"name": "Competitors", "config": {"keywords": ["Acme Corp"]}},
        ],
    },
}


def write(folder: Path, values: object, name: str = "guardrails.json") -> Path:
    path = folder / name
    path.write_text(values if isinstance(values, str) else json.dumps(values, indent=2))
    return path


def test_a_published_configuration_loads_unchanged(tmp_path: Path) -> None:
    found = load_guardrails(write(tmp_path, PUBLISHED))
    assert [each.stage for each in found] == ["pre_flight"] * 3 + ["input"] * 5 + ["output"] * 6
    first, *_ = found
    assert isinstance(first, Pii) and first.action == "block" and "PERSON" in first.entities
    actions = {each.name: each.action for each in found if each.stage == "output"}
    assert actions["Contains PII"] == "redact" and actions["Secret Keys"] == "block"
    assert {each.name for each in found if isinstance(each, Asking)} == {
        *("Moderation", "Off Topic Prompts", "Custom Prompt Check"),
        *("Hallucination Detection", "NSFW Text", "NSFW"),
    }
    guard = ready(found, lambda _sample, _within_s: None)
    outcome = guard.check("pre_flight", "the card 4111 1111 1111 1111", Place("the task"))
    assert outcome.verdict == "blocked"
    assert sum(each.code == "guardrails.unavailable" for each in outcome.findings) == 3


def test_toml_is_the_same(tmp_path: Path) -> None:
    text = """
version = 1
[[input.guardrails]]
name = "URL Filter"
[input.guardrails.config]
url_allow_list = ["example.com"]
[[input.guardrails]]
name = "Secret Keys"
required = true
action = "warn"
"""
    first, second = load_guardrails(write(tmp_path, text, "guardrails.toml"))
    assert first == Urls(stage="input", url_allow_list=("example.com",))
    assert second == SecretKeys(stage="input", required=True, action="warn")


def entry(name: object = "Contains PII", config: object = None, **more: object) -> object:
    one = {"name": name, "config": {} if config is None else config, **more}
    return {"version": 1, "input": {"version": 1, "guardrails": [one]}}


@pytest.mark.parametrize(
    ("values", "problem", "remedy"),
    [
        ({"version": 1, "inputs": {}}, "inputs: unknown key", "did you mean input?"),
        (entry("Contain PII"), "input.guardrails[0].name: unknown check", "mean Contains PII?"),
        (entry(3), "input.guardrails[0].name: unknown check", "known: "),
        (entry(config={"entites": []}), "config.entites: unknown key", "did you mean entities?"),
        (entry(config={"entities": ["EMAIL"]}), "unknown entity: 'EMAIL'", "EMAIL_ADDRESS?"),
        (entry(config={"entities": "US_SSN"}), "config.entities: ", ""),
        (entry(config={"block": "yes"}), "config.block: ", "published schema"),
        (entry("Keyword Filter"), "config.keywords: field required", ""),
        (entry("Keyword Filter", {"keywords": []}), "config.keywords: ", ""),
        (entry("Jailbreak", {"confidence_threshold": 7}), "is no confidence", "0.0 to 1.0"),
        (entry("Jailbreak", {"confidence_threshold": True}), "is no confidence", ""),
        (entry("Jailbreak", {"threshold_percent": 7}), "unknown key", "confidence_threshold"),
        (entry(requird=True), "guardrails[0].requird: unknown key", "did you mean required?"),
        (entry(action="ignore"), "guardrails[0].action: ", ""),
        (entry(required="no"), "guardrails[0].required: ", ""),
        (entry(stage="output"), "guardrails[0].stage: unknown key", ""),
        (entry(config=[]), "guardrails[0].config: expected a table", ""),
        ({"version": 2, "input": {}}, "version: is not a version", "use 1"),
        ({"version": 1}, "declares no stage", ""),
        ({"input": {"guardrails": {}}}, "input.guardrails: is no list", ""),
        ([], "expected a table of keys", ""),
        ('{"input": 1, "input": 2}', "a key is there twice", ""),
        ('{"version": NaN}', "NaN is no number", ""),
        ('{\n"version": 1,\n', "line 3: not JSON", ""),
        ("[" * 60_000, "not JSON", ""),
    ],
)
def test_mistakes_are_named_and_placed(
    tmp_path: Path, values: object, problem: str, remedy: str
) -> None:
    path = write(tmp_path, values)
    with pytest.raises(ConfigError) as caught:
        load_guardrails(path)
    assert caught.value.problem.startswith(str(path))
    assert problem in caught.value.problem and remedy in caught.value.remedy


def test_the_line_is_told_where_it_is_certain(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"guardrails\.json, line 9: .*entites"):
        load_guardrails(write(tmp_path, entry(config={"entites": []})))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_guardrails(tmp_path / "none.json")


def test_checks_as_they_come() -> None:
    assert usual_guardrails(["Contains PII"]) == (Pii(stage="input", action="redact"),)
    with pytest.raises(ConfigError, match="Keyword Filter"):
        usual_guardrails(["Keyword Filter"])


def layer(name: LayerName, text: str) -> Layer:
    return read_layer(parse_toml(text, f"{name}.toml"), name)


TABLE = """
[[guardrails.output.guardrails]]
name = "Contains PII"
config = { entities = ["US_SSN"], block = true }
"""


def test_every_layer_only_adds(tmp_path: Path) -> None:
    path = write(tmp_path, entry("Secret Keys"))
    user = layer("user", f'guardrails = "{path}"')
    repository = layer("repository", TABLE)
    one, other = (decide(each).policy for each in ((user, repository), (repository, user)))
    assert one.guardrails[: len(BUILT_IN)] == BUILT_IN
    assert set(one.guardrails) == set(other.guardrails)
    assert {each.name for each in one.guardrails} >= {"Secret Keys", "Contains PII"}
    assert decide((user, user)).policy.guardrails == decide((user,)).policy.guardrails


def test_a_stricter_threshold_wins() -> None:
    loose = Pii(stage="input", threshold_percent=90)
    strict = Pii(stage="input", threshold_percent=50)
    place = Place("a text")
    text = "jane@example.com"
    assert Guard((loose,)).check("input", text, place).verdict == "passed"
    assert Guard((loose, strict)).check("input", text, place).verdict == "blocked"
    assert Guard((strict, loose)).check("input", text, place).verdict == "blocked"


def test_a_repository_names_no_file_of_the_machine() -> None:
    with pytest.raises(ConfigError, match="guardrails"):
        layer("repository", 'guardrails = "/etc/passwd"')


def test_mistakes_in_a_table_have_their_line() -> None:
    with pytest.raises(
        ConfigError, match=r"repository\.toml, line \d+: guardrails\.output"
    ) as caught:
        layer("repository", TABLE.replace("entities", "entites"))
    assert "entities" in caught.value.remedy
