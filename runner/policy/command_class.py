"""What kind of thing a command is, read and not run: for who has to look at it first.

Conservative: only what is known to be harmless is; whatever is not read whole, is not known, or
could write, is `other`, and what looks like one of the four dangers is `critical`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from runner.policy.rules_shell import MAX_CHARACTERS, Word, read
from runner.records.approval import Risk

SHELL_TOOLS = frozenset({"Bash", "shell", "exec_command", "local_shell"})
_HARMLESS_REDIRECTION = re.compile(r"(?:\d?>&\d|\d?>>?[ ]?/dev/null)(?=[\s;|&)]|$)")
_ASSIGNS = re.compile(r"(?:^|[\s;&|(])[A-Za-z_]\w*+(?:\[[^\]\s;&|(]*+\])?\+?=", re.ASCII)
_BIN = re.compile(r"(?:/usr)?/bin/(?=[\w-]+$)", re.ASCII)

CRITICAL: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "exfiltration": re.compile(
            r"\b(?:curl|wget|nc|ncat|netcat|socat|telnet|ftp|sftp|scp|rsync|ssh|aria2c|httpie|dig"
            r"|nslookup|rclone|openssl|s3cmd|gsutil)\b|/dev/(?:tcp|udp)|https?://|\b(?:requests|urllib"
            r"|httpx|socket|http\.client)\b"
            r"|\b(?:aws|az|gcloud|gh|kubectl|docker|podman)\b|\bpublish\b|\bupload\b",
            re.IGNORECASE,
        ),
        "credential probing": re.compile(
            r"\b(?:env|printenv|export|declare|set)\b\s*(?:$|[|;&>\n-])|/proc/|\.ssh\b|\.aws\b|\.netrc"
            r"|\.npmrc|\.pypirc|\.docker/|\.kube|\.gnupg|\.git-credentials|/etc/(?:shadow|passwd)"
            r"|id_(?:rsa|ed25519|ecdsa)|\.(?:pem|key|p12|pfx|kdbx)\b|\benviron\b|\bgetenv\b"
            r"|credential|secret|passw|token|api_?key|private_?key|keychain|keyring|169\.254\.",
            re.IGNORECASE,
        ),
        "persistent weakening": re.compile(
            r"\bchmod\b|\bchown\b|\bsetfacl\b|\bsudo\b|\bsu\b|\bvisudo\b|sudoers|\bcrontab\b|/etc/"
            r"|\bsystemctl\b|\bservice\b|\biptables\b|\bnft\b|\bufw\b|\bsetenforce\b|authorized_keys"
            r"|\.(?:bashrc|profile|bash_profile|zshrc|gitconfig)\b|\.git/|hooks"
            r"|--no-verify|\.codex|AGENTS|\.github|\busermod\b|\bsysctl\b|\bmodprobe\b|\bmount\b",
            re.IGNORECASE,
        ),
        "destructive": re.compile(
            r"\brm\b|\brmdir\b|\bunlink\b|\bshred\b|\bdd\b|\bmkfs|\bwipefs\b|\btruncate\b|-delete\b"
            r"|--force\b|\bkill|\bpkill\b|\bdrop\s+(?:table|database|schema)\b|\bdelete\s+from\b"
            r"|\bshutdown\b|\breboot\b|rmtree|\bremove\b|:\s*\(\s*\)",
            re.IGNORECASE,
        ),
    }
)
"""The four dangers, wherever one of these words stands; that a word is harmless there, a person
says. All are linear in the length of what is searched, which an enemy wrote."""
_GIT_NAMED = re.compile(r"\bgit\b", re.IGNORECASE)
WITH_GIT: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "exfiltration": re.compile(r"\b(?:push|remote|fetch|pull|clone|submodule|archive)\b"),
        "persistent weakening": re.compile(r"\bconfig\b|(?:^|\s)-c\b"),
        "destructive": re.compile(
            r"\b(?:reset|clean|checkout|switch|restore|rebase|filter-branch|gc|prune|reflog|stash)\b"
        ),
    }
)
"""The same, of commands that speak of git."""

_ANY: Callable[[Sequence[str]], bool] = lambda _: True  # noqa: E731
_READERS = (
    "cat head tail wc ls pwd cd echo true false stat du df nl cut tr basename dirname realpath"
    " readlink grep egrep fgrep cmp diff which test ["
)
_GIT = frozenset({"status", "diff", "log", "show", "rev-parse", "ls-files", "blame", "grep"})
_GIT_WRITES = ("--output", "--ext-diff", "--textconv", "--open-files-in-pager")
_LINES = re.compile(r"(?:\d+|\$)(?:,(?:\d+|\$))?p")


def _without(pattern: str) -> Callable[[Sequence[str]], bool]:
    """No argument begins so, wherever it stands."""
    barred = re.compile(pattern)
    return lambda words: not any(map(barred.match, words))


def _git(words: Sequence[str]) -> bool:
    """Its long options may be cut short."""
    return bool(words) and words[0] in _GIT and not any(map(_git_writes, words[1:]))


def _git_writes(word: str) -> bool:
    name = word.partition("=")[0]
    cut = len(name) > 2 and any(full.startswith(name) for full in _GIT_WRITES)
    return cut or word.startswith(("-O", "-?"))


def _sed(words: Sequence[str]) -> bool:
    """Prints lines by their numbers."""
    return (
        len(words) > 1
        and words[0] == "-n"
        and _LINES.fullmatch(words[1]) is not None
        and not any(word.startswith("-") for word in words[2:])
    )


INSPECT: Mapping[str, Callable[[Sequence[str]], bool]] = MappingProxyType(
    dict.fromkeys(_READERS.split(), _ANY)
    | {
        "rg": _without(r"--(?:pre|hostname-bin|search-zip)|-\w*[z?]"),
        "find": _without(r"-(?:exec|ok|delete|fprint|fls|files0|\?)"),
        "sort": _without(r"-\w*[oT?]|--[octf]"),
        "tree": _without(r"-\w*[oR?]|--output"),
        "git": _git,
        "sed": _sed,
    }
)
"""Programs that read, and the arguments with which they only do that."""
_TEST = ("pytest", "tox", "nox", "ctest", "jest", "vitest")
_TESTS = (
    *(("python", "-m", "pytest"), ("python3", "-m", "pytest"), ("python", "-m", "unittest")),
    *(("python3", "-m", "unittest"), ("cargo", "test"), ("go", "test"), ("npm", "test")),
    *(("npm", "run", "test"), ("make", "test"), ("make", "check"), ("mvn", "test")),
    *(("gradle", "test"), ("dotnet", "test"), ("bundle", "exec", "rspec"), *((x,) for x in _TEST)),
)
_FORMATS = (
    *(("ruff", "format"), ("black",), ("isort",), ("gofmt",), ("go", "fmt"), ("cargo", "fmt")),
    *(("prettier", "--write"), ("rustfmt",), ("clang-format", "-i")),
)


_KNOWN: Mapping[Risk, tuple[tuple[str, ...], ...]] = {"test": _TESTS, "format": _FORMATS}
_RISKIEST_FIRST: tuple[Risk, ...] = ("other", "format", "test", "inspect")


def classify(tools: Sequence[str], code: str) -> Risk:
    """What a person is told, and what a policy may let a reviewer approve: danger first. What is
    too long to be read is dangerous."""
    if len(code) > MAX_CHARACTERS or danger(code):
        return "critical"
    return _read_kind(tools, code)


def is_mutating(tools: Sequence[str], code: str) -> bool:
    """Whether it may change something; what is not known may."""
    return _read_kind(tools, code) != "inspect"


def danger(code: str) -> str | None:
    """The first of the four dangers that a command looks like."""
    with_git = WITH_GIT if _GIT_NAMED.search(code) else {}
    for name, sign in CRITICAL.items():
        if sign.search(code) or (name in with_git and with_git[name].search(code)):
            return name
    return None


def _read_kind(tools: Sequence[str], code: str) -> Risk:
    """A list of commands is as risky as its riskiest."""
    if not tools or not {*tools} <= SHELL_TOOLS or len(code) > MAX_CHARACTERS:
        return "other"
    plain = _HARMLESS_REDIRECTION.sub(" ", code)
    if set("<>") & set(plain) or "&" in plain.replace("&&", "") or _ASSIGNS.search(plain):
        return "other"
    script = read(plain)
    if script.unread or not script.commands:
        return "other"
    kinds = {_kind(words) for words in script.commands}
    return next(kind for kind in _RISKIEST_FIRST if kind in kinds)


def _kind(words: Sequence[Word]) -> Risk:
    """Of one simple command. A pattern of file names may stand for an option: `-?`."""
    program, *arguments = ("-?" if word is None else word for word in words)
    program = _BIN.sub("", program)
    reads = INSPECT.get(program)
    if reads is not None:
        return "inspect" if reads(arguments) else "other"
    said = (program, *arguments)
    for kind, known in _KNOWN.items():
        if any(said[: len(begin)] == begin for begin in known):
            return kind
    return "other"
