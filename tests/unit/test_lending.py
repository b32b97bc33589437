"""Two providers, two keys: which broker has which, and what both hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner import lending
from runner.broker.lender import Broker
from runner.errors import ConfigError
from runner.policy.settings import Settings, load_settings
from runner.records.review import Review
from runner.records.usage import Allowance
from tests.fake_world import make_plan
from tests.unit.test_plan import BASE

MINE, ITS = "the-authors-own-key", "the-reviewers-own-key"
KEYS = {"OPENAI_API_KEY": MINE, "REVIEW_KEY": ITS}
OWN = """
[provider]
query = "mine=1"
[review.provider]
upstream = "https://models.example.com/v1"
key = "env:REVIEW_KEY"
key_header = "x-key"
ca_file = "/etc/ca.pem"
[review.provider.deployments]
"gpt-5.6-terra" = "terra"
"""


def settings(tmp_path: Path, text: str = OWN) -> Settings:
    file = tmp_path / "config.toml"
    file.write_text(text)
    (tmp_path / "state").mkdir(exist_ok=True)
    return load_settings({"CODEX_RUNNER_STATE": str(tmp_path / "state")}, {}, file)


def brokers(given: Settings, environ: dict[str, str], **more: object) -> tuple[Broker, Broker]:
    plan = make_plan()
    return lending.make_brokers(plan, given, BASE, environ, **more)  # type: ignore[arg-type]


def test_each_has_its_own_and_both_hold_both(tmp_path: Path) -> None:
    author, reviewer = brokers(settings(tmp_path), KEYS)
    assert (author.key.secret, reviewer.key.secret) == (MINE.encode(), ITS.encode())
    assert {*author.holds()} == {*reviewer.holds()} == {MINE.encode(), ITS.encode()}
    assert author.upstream.base_url == Settings().upstream
    assert reviewer.upstream.base_url == "https://models.example.com/v1"
    assert (author.upstream.query, reviewer.upstream.query) == ("mine=1", "")
    assert reviewer.upstream.key_header == "x-key" and author.upstream.key_header is None
    assert reviewer.upstream.ca_file == Path("/etc/ca.pem") and author.upstream.ca_file is None
    assert dict(reviewer.upstream.deployments) == {"gpt-5.6-terra": "terra"}
    assert author.account is reviewer.account, "what a run may spend is for both together"


def test_without_a_provider_of_their_own_there_is_one_broker(tmp_path: Path) -> None:
    author, reviewer = brokers(settings(tmp_path, ""), KEYS)
    assert author is reviewer and author.holds() == (MINE.encode(),)


@pytest.mark.parametrize(("missing", "where"), [("REVIEW_KEY", True), ("OPENAI_API_KEY", False)])
def test_a_missing_key_is_named(tmp_path: Path, missing: str, where: bool) -> None:
    environ = {name: key for name, key in KEYS.items() if name != missing}
    with pytest.raises(ConfigError, match=f"{missing} is not set") as caught:
        brokers(settings(tmp_path), environ)
    assert caught.value.problem.startswith("[review.provider]: ") == where
    assert caught.value.remedy == f"export {missing}=..."


def test_no_key_is_sent_to_two_houses(tmp_path: Path) -> None:
    same = {**KEYS, "REVIEW_KEY": MINE}
    with pytest.raises(ConfigError, match="REVIEW_KEY is the author's key, and would be sent to"):
        brokers(settings(tmp_path), same)
    here = OWN.replace("models.example.com/v1", "api.openai.com/other")
    author, reviewer = brokers(settings(tmp_path, here), same)
    assert author.key.secret == reviewer.key.secret, "one house, one account"


def test_where_no_author_works_its_key_is_only_held(tmp_path: Path) -> None:
    given = settings(tmp_path)
    only = {"REVIEW_KEY": ITS}
    author, reviewer = brokers(given, only, authored=False)
    assert author.key.secret == reviewer.key.secret == ITS.encode()
    assert {*author.holds()} == {ITS.encode()}
    assert {*lending.held_keys(given, only)} == {ITS.encode()}
    _, reviewer = brokers(given, KEYS, authored=False)
    assert {*reviewer.holds()} == {*lending.held_keys(given, KEYS)} == {MINE.encode(), ITS.encode()}
    lending.require_review_key(given, only)
    with pytest.raises(ConfigError, match=re.escape("[review.provider]: ")):
        lending.require_review_key(given, {"OPENAI_API_KEY": MINE})
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        brokers(settings(tmp_path, ""), {}, authored=False)


def test_one_recording_in_one_order(tmp_path: Path) -> None:
    author, reviewer = brokers(settings(tmp_path), KEYS, record=tmp_path / "kept")
    assert author.upstream.recording is reviewer.upstream.recording is not None
    (tmp_path / "kept" / "0001.json").write_text(
        '{"status": 200, "headers": {}, "request": {"model": "m", "input": []}, "response": ""}'
    )
    author, reviewer = brokers(settings(tmp_path), {}, replay=tmp_path / "kept")
    assert author.upstream.replay is reviewer.upstream.replay is not None
    assert author.upstream.base_url == reviewer.upstream.base_url == lending.NOWHERE
    assert reviewer.upstream.deployments, "a recording has the provider's names"


def test_both_models_need_a_price(tmp_path: Path) -> None:
    price = '{ input = "1", cached = "1", output = "1" }'
    text = f'{OWN}[prices]\n"gpt-5.5" = {price}\n'
    plan = make_plan().model_copy(update={"budget": Allowance(day_usd_micros=5_000_000)})
    with pytest.raises(ConfigError, match=r"price of gpt-5\.6-terra is unknown"):
        lending.make_brokers(plan, settings(tmp_path, text), BASE, KEYS)
    more = settings(tmp_path, f'{text}"gpt-5.6-terra" = {price}\n')
    _, reviewer = lending.make_brokers(plan, more, BASE, KEYS)
    assert reviewer.prices.keys() == {"gpt-5.5", "gpt-5.6-terra"}
    panel = plan.model_copy(update={"review": Review(further=("x",))})
    with pytest.raises(ConfigError, match="price of x is unknown"):
        lending.make_brokers(panel, more, BASE, KEYS)


def test_a_script_or_a_recording_answers_everybody(tmp_path: Path) -> None:
    given = settings(tmp_path, "")
    other = settings(tmp_path)
    alone = lending.scripted(other)
    assert (alone.provider, alone.review) == (given.provider, given.review)
    moved = lending.replayed(other, Path("/kept"))
    assert moved.review.provider is not None
    assert moved.upstream == moved.review.provider.upstream == "replay:/kept"
    assert lending.replayed(given, Path("/kept")).review.provider is None
