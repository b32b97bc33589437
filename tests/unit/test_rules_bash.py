"""The reading of scripts against bash itself: whatever runs `git push` is never allowed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from runner.policy.rules import Rulebook
from runner.process import run
from runner.records.rules import CommandRule

SCRIPTS = 150
PUSH = (
    *("git push", "git push", "git push", "bash -c 'git push'", "env git push", "eval git push"),
    *("g\\it push", "git pu\\\nsh", "echo git push|bash", "(git push)", "$(git push)"),
    *("`git push`", "{ git push; }", '"git" push', "bash -c git' 'push"),
)
BLANK = (" ", "\n", "\t", "\r", "\xa0", "\\\n", "timeout 9", "set --")
WORDS = """
' " \\ ; ;; & && &> | |& ( ) { } $( ` # < > << <<< 2> &1 x A=1 A=( = * $X $' ~ [ ] ! if then fi for
in do done case esac function () [[ ]] (( )) @( source . nice trap eval env exec command time export
bash -c -lc -- EXIT coproc
"""
MORE = (*BLANK, *WORDS.split())
FAKE = '#!/bin/bash\nif [ "$1" = push ]; then : > "$MARK"; fi\n'


def test_what_bash_runs_is_not_allowed(tmp_path: Path) -> None:
    """A stand-in for git leaves a mark when it is asked to push."""
    programs, here = tmp_path / "bin", tmp_path / "here"
    programs.mkdir()
    here.mkdir()
    (programs / "git").write_text(FAKE)
    (programs / "git").chmod(0o755)
    for name in ("bash", "env", "nice", "timeout"):
        (programs / name).symlink_to(shutil.which(name) or name)
    book = Rulebook((CommandRule(pattern=(("git",), ("push",)), decision="forbidden"),))
    pushed = 0
    for number in range(SCRIPTS):
        script, mark = _script(random.Random(number)), tmp_path / f"mark-{number}"
        env = {"PATH": str(programs), "HOME": str(here), "MARK": str(mark)}
        run([programs / "bash", "-c", script], env=env, cwd=here, stdin=b"", timeout_s=20)
        if mark.exists():
            pushed += 1
            assert book.decide(script).decision != "allow", script
    assert pushed > SCRIPTS / 10, "scripts of which none pushes prove nothing"


def _script(chance: random.Random) -> str:
    parts = [chance.choice(MORE) for _ in range(chance.randint(0, 5))]
    parts.insert(chance.randint(0, len(parts)), chance.choice(PUSH))
    return "".join(part + chance.choice(("", " ", " ")) for part in parts)
