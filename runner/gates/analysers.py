"""The analysers the static gate knows, as data.

A change supplies neither the program, nor its configuration, nor words that make it look away:
programs are the runner's or the sandbox's, configuration is none or the base's, and comments that
silence findings are not heard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from runner.gates import globs, sarif_in
from runner.gates.sarif_in import Result
from runner.records.static import Analyser

NOTHING = re.compile(r"(?!)")
_PYTHON = ("**/*.py", "**/*.pyi")
_SCRIPT = ("js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "vue", "svelte")


@dataclass(frozen=True, slots=True)
class Adapter:
    """How one analyser is asked and understood. Exit status 127 = it is not there."""

    name: str
    command: str
    paths: tuple[str, ...]
    read: Callable[[bytes], list[Result]]
    place: Literal["alone", "beside", "over"] = "alone"
    tool: str | None = None
    shebang: re.Pattern[bytes] | None = None
    """First lines of files without a telling name that are of its kind too."""
    suffix: str = ""
    """What those are called then."""
    security: re.Pattern[str] = NOTHING
    """Rules that are about security, besides those the output marks."""
    mild: re.Pattern[str] = NOTHING
    """Rules whose errors are warnings."""
    deaf: tuple[bytes, bytes] = (b"", b"")
    """What silences it and cannot be switched off, and a harmless text of the same length."""
    keeps: int = 1
    """How much of a path's end its files keep when they lie alone: a directory may hide them."""
    good: tuple[int, ...] = (0, 1)
    """Exit statuses of one that did its work."""

    def wants(self, path: bytes, content: bytes) -> bool:
        if any(_glob(pattern).matches_folded(path) for pattern in self.paths):
            return True
        named = b"." in path.rpartition(b"/")[2]
        return bool(self.shebang and not named and self.shebang.match(content))


_glob = cache(globs.parse)
_DANGEROUS = r"S(?:102|103|202|30[1267]|321|323|501|50[2-9]|60[2459]|61[0-2]|70[1-4])|PLE25\d\d"
"""Of ruff's security rules those whose findings are seldom harmless."""

BUILT_IN = (
    Adapter(
        name="ruff",
        command="ruff check --isolated --no-cache --ignore-noqa --exit-zero"
        " --select S,B,PLE,F --ignore S101,S311,S404 --output-format sarif -- \"$@\"",
        paths=_PYTHON,
        read=sarif_in.sarif,
        tool="ruff",
        shebang=re.compile(rb"#![^\n]*\bpython"),
        suffix=".py",
        security=re.compile(_DANGEROUS),
        mild=re.compile(rf"(?!(?:{_DANGEROUS})\Z)(?:S|B)\d+"),
        good=(0,),
    ),
    Adapter(
        name="zizmor",
        command="zizmor --offline --no-config --no-ignores --no-exit-codes --strict-collection"
        " --no-progress --format sarif -- \"$@\"",
        paths=("**/.github/workflows/*.yml", "**/.github/workflows/*.yaml", "**/action.y*ml"),
        read=sarif_in.sarif,
        tool="zizmor",
        keeps=3,
        security=re.compile(r".*"),
        good=(0,),
    ),
    Adapter(
        name="bandit",
        command="bandit -q -f json --ignore-nosec --exit-zero -- \"$@\"",
        paths=_PYTHON,
        read=sarif_in.bandit,
        shebang=re.compile(rb"#![^\n]*\bpython"),
        suffix=".py",
        security=re.compile(r".*"),
        good=(0,),
    ),
    Adapter(
        name="shellcheck",
        command="shellcheck --norc -f json1 -- \"$@\"",
        paths=("**/*.sh", "**/*.bash", "**/*.ksh", "**/*.bats"),
        read=sarif_in.shellcheck,
        shebang=re.compile(rb"#![^\n]*\b(?:ba|da|k)?sh\b"),
        suffix=".sh",
        deaf=(b"shellcheck", b"shell_heck"),
    ),
    Adapter(
        name="eslint",
        command="test -x node_modules/.bin/eslint || exit 127; for f do"
        ' node_modules/.bin/eslint --no-inline-config -f json --stdin --stdin-filename "$f"'
        ' <"$FILES/$f" || test $? = 1 || exit 2; echo; done',
        paths=tuple(f"**/*.{suffix}" for suffix in _SCRIPT),
        read=sarif_in.eslint,
        place="beside",
        security=re.compile(
            r"security/.*|no-unsanitized/.*|no-secrets/.*|no-(?:eval|implied-eval|new-func|script-url)"
        ),
        good=(0,),
    ),
)  # fmt: skip


def adapters(analysers: Iterable[Analyser]) -> tuple[Adapter, ...]:
    """All of them; those of the policy print SARIF and see a checkout of the base."""
    given = (
        Adapter(each.name, each.command, each.paths, sarif_in.sarif, "over") for each in analysers
    )
    return (*BUILT_IN, *given)
