"""What a day may cost holds for all runs together, killed ones included."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from runner.broker.account import Account, owner
from runner.broker.refusal import RefusalError
from runner.broker.spent import ExhaustedError, Spent
from runner.process import clean_env, run, spawn
from runner.records.usage import Allowance, Price

USD = 1_000_000
PRICES = {"m": Price(input_usd_micros=USD, cached_usd_micros=0, output_usd_micros=10 * USD)}
MILLION = 1_000_000
ASK = Spent(MILLION, 0, MILLION)
"""$1 of input and at most $10 of output."""


def account(
    path: Path,
    caps: dict[str, int] | None = None,
    repository: str = "here",
    day: str = "2026-11-20",
) -> Account:
    return Account(path, repository, Allowance(**(caps or {})), PRICES, today=lambda: day)


def spend(account: Account, spent: Spent = ASK, model: str = "m") -> None:
    hold = account.hold(model, ASK, wait=False)
    assert hold is not None
    account.settle(hold, spent)


def exhausted(account: Account) -> str:
    with pytest.raises(ExhaustedError) as caught:
        account.hold("m", ASK, wait=False)
    return caught.value.line


@pytest.mark.parametrize(
    ("caps", "line"),
    [
        ({"run_usd_micros": 22 * USD}, "run_usd $22.00"),
        ({"day_usd_micros": 22 * USD}, "day_usd $22.00"),
        ({"repository_day_usd_micros": 22 * USD}, "repository_day_usd $22.00"),
        ({"day_tokens": 4 * MILLION}, f"day_tokens {4 * MILLION}"),
        ({"repository_day_tokens": 4 * MILLION}, f"repository_day_tokens {4 * MILLION}"),
        ({"organisation_day_usd_micros": 22 * USD}, "organisation_day_usd $22.00"),
        ({"organisation_day_tokens": 4 * MILLION}, f"organisation_day_tokens {4 * MILLION}"),
    ],
)
def test_every_bound_runs_out(caps: dict[str, int], line: str, tmp_path: Path) -> None:
    mine = account(tmp_path / "spending", caps)
    spend(mine)
    spend(mine)
    assert exhausted(mine) == line
    assert mine.notes and mine.notes[0].startswith(f"100 % of {line.partition(' ')[0]} is spent: ")


def test_who_shares_what(tmp_path: Path) -> None:
    caps = {"run_usd_micros": 30 * USD, "repository_day_usd_micros": 22 * USD}
    first = account(tmp_path, caps)
    spend(first)
    spend(first)
    assert exhausted(account(tmp_path, caps)) == "repository_day_usd $22.00"
    spend(account(tmp_path, caps, "elsewhere"))
    spend(account(tmp_path, caps, day="2026-11-21"))
    assert exhausted(account(tmp_path, {"day_tokens": 6 * MILLION}, "elsewhere")).startswith(
        "day_tok"
    )
    assert set(os.listdir(tmp_path)) == {".lock", "2026-11-20.json", "2026-11-21.json"}


def test_an_organisation_pays_for_all_of_its_repositories(tmp_path: Path) -> None:
    spend(account(tmp_path, repository="https://forge.example/acme/one.git"))
    spend(account(tmp_path, repository="git@forge.example:Acme/two"))
    spend(account(tmp_path, repository="https://forge.example/other/one.git"))
    caps = {"organisation_day_tokens": 6 * MILLION - 1}
    third = account(tmp_path, caps, repository="https://forge.example/acme/three")
    hold = third.hold("m", ASK, wait=False)
    assert hold is not None and hold.capped is not None
    third.settle(hold, Spent(MILLION, 0, 0))
    assert exhausted(third) == f"organisation_day_tokens {6 * MILLION - 1}"
    spend(account(tmp_path, caps, repository="https://forge.example/else/one"))
    assert owner("alone") == "alone"


def test_what_is_left_caps_the_output_unless_somebody_may_settle(tmp_path: Path) -> None:
    mine = account(tmp_path, {"day_usd_micros": 17 * USD})
    other = account(tmp_path, repository="elsewhere")
    others = other.hold("m", ASK, wait=True)
    assert others is not None
    assert mine.hold("m", ASK, wait=True) is None
    hold = mine.hold("m", ASK, wait=False)
    assert hold is not None
    assert (hold.reserved, hold.capped) == (Spent(MILLION, 0, MILLION // 2), "day_usd $17.00")
    mine.settle(hold, Spent(MILLION, MILLION, 0))  # all cached: free
    assert mine.notes == ()
    other.settle(others, Spent(MILLION, 0, MILLION))
    assert mine.hold("m", ASK, wait=True) == hold  # nobody is left to wait for


def test_unknown_is_not_nothing(tmp_path: Path) -> None:
    spend(account(tmp_path), model="other")
    spend(account(tmp_path, {"day_tokens": 99 * MILLION}))
    for model, unknown in (("m", "other"), ("unheard", "other")):
        with pytest.raises(RefusalError, match=f"the price of {unknown} is unknown"):
            account(tmp_path, {"day_usd_micros": 99 * USD}).hold(model, ASK, wait=False)
    with pytest.raises(RefusalError, match="the price of unheard is unknown"):
        account(tmp_path, {"run_usd_micros": USD}).hold("unheard", ASK, wait=False)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"r":{"m":[1,2]}}', b'{"r":{"m":[-1,2,3,4]}}', b"[]"]
)
def test_a_damaged_file_is_no_empty_one(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "2026-11-20.json").write_bytes(content)
    with pytest.raises(RefusalError) as caught:
        account(tmp_path, {"day_tokens": 1}).hold("m", ASK, wait=False)
    assert caught.value.fault is not None and "2026-11-20.json: damaged" in caught.value.fault
    assert str(tmp_path) not in caught.value.message  # told to the sandbox


def test_a_settlement_that_cannot_be_written_stays_a_reservation(tmp_path: Path) -> None:
    mine = account(tmp_path, {"day_tokens": 3 * MILLION})
    hold = mine.hold("m", ASK, wait=False)
    assert hold is not None
    whole = (tmp_path / "2026-11-20.json").read_bytes()
    (tmp_path / "2026-11-20.json").write_bytes(b"{")
    mine.settle(hold, Spent())
    (tmp_path / "2026-11-20.json").write_bytes(whole)
    assert json.loads(whole) == {"here": {"m": [MILLION, 0, MILLION, MILLION]}}


CHILD = """
import sys
from pathlib import Path
from runner.broker.account import Account
from runner.broker.spent import ExhaustedError, Spent
from runner.records.usage import Allowance

account = Account(Path(sys.argv[1]), "r", Allowance(day_tokens=1000), {}, lambda: "2026-11-20")
got = 0
try:
    while True:
        hold = account.hold("m", Spent(4, 0, 16), wait=False)
        got += 1
        if sys.argv[2] == "stay":
            print("held", flush=True)
            sys.stdin.read()
        account.settle(hold, Spent(4, 0, 6))
except ExhaustedError:
    print(got)
"""
PYTHON = (sys.executable, "-c", CHILD)


def test_processes_together_never_spend_more(tmp_path: Path) -> None:
    children = [spawn([*PYTHON, str(tmp_path), "go"], env=clean_env()) for _ in range(4)]
    counts = []
    for child in children:
        with child:
            out, _ = child.communicate()
            counts.append(int(out))
    assert 90 <= sum(counts) <= 100  # 10 tokens each of 1000, less what was reserved at the end
    assert sum(json.loads((tmp_path / "2026-11-20.json").read_bytes())["r"]["m"][:3]) <= 1000


def test_what_a_killed_process_had_reserved_is_spent(tmp_path: Path) -> None:
    with spawn([*PYTHON, str(tmp_path), "stay"], env=clean_env()) as child:
        assert child.stdout is not None and child.stdout.readline() == b"held\n"
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert json.loads((tmp_path / "2026-11-20.json").read_bytes()) == {"r": {"m": [4, 0, 16, 16]}}
    done = run([*PYTHON, str(tmp_path), "go"])
    assert done.text() == "97"
