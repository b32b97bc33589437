"""How languages other than Python write tests, line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.gates.blocks import COMPILED, SCRIPT


@dataclass(frozen=True, slots=True)
class Language:
    """One family of languages."""

    name: re.Pattern[bytes]
    """Group 1 is a test's name."""
    skip: re.Pattern[bytes]
    check: re.Pattern[bytes]
    trap: re.Pattern[bytes]
    """Ends the process, or asks who is running it."""
    blanked: re.Pattern[bytes] | None = None
    """What is no code; None = its blocks have no braces."""
    vacuous: re.Pattern[bytes] | None = None
    """An assertion that cannot fail, or whose failure is swallowed."""
    double: re.Pattern[bytes] | None = None
    """Puts something else in the place of what is tested."""
    attribute: re.Pattern[bytes] | None = None
    """Must stand before a name that makes it a test's; group `own` = a name that needs none."""
    guarded: re.Pattern[bytes] | None = None
    """An assertion that only means something with the condition around it."""


_SAME = rb"(?P<same>[^,()]+(?:\([^()]*\))?)"
_SCRIPT = Language(
    re.compile(
        rb"\b(?:it|test|specify|scenario)(?:\.\w{1,40}){0,6}+\s*+\(\s*+[\"'`]([^\"'`\n]{1,200})"
        rb"|\.each\b[^\n]{0,300}\)\s*\(\s*+[\"'`]([^\"'`\n]{1,200})"
        rb"|^\s*(?:\]\s*\)|`)\s*\(\s*+[\"'`]([^\"'`\n]{1,200})"
    ),
    re.compile(
        rb"\b(?:it|test|describe|suite|context)(?:\.\w{1,40}){0,4}?"
        rb"(?:\.(?:skip|todo|only|failing|fails|fixme|skipIf|runIf|ignore)\b|\[[\"'`](?:skip|only|todo))"
        rb"|\bx(?:it|describe|test|context|specify)\s*\(|\bf(?:it|describe)\s*\(|\bthis\.skip\("
        rb"|\bt\.(?:skip|todo)\(|\bpending\(|[{,]\s*(?:skip|todo|only|ignore)\s*:\s*(?!false)[\w'\"`!]"
        rb"|\.each\(\s*\[\s*\]|^\s*\[\s*\]\s*\.(?:forEach|map)\("
    ),
    re.compile(
        rb"\b(?:expect|assert)\b\s*[.(]|\bassert\.\w+\(|\bt\.(?:is|deepEqual|equal|ok|true|false|throws)\("
        rb"|\bshould\.\w+"
    ),
    re.compile(
        rb"process\.(?:exit|reallyExit|kill|abort)\s*\(|process\.exitCode"
        rb"|process\.on\(\s*[\"'](?:exit|beforeExit)|JEST_WORKER_ID|VITEST|NODE_ENV[\"'\]]*\s*[!=]==?"
    ),
    blanked=SCRIPT,
    vacuous=re.compile(
        rb"\bexpect\(\s*(?P<value>true|false|null|\d+|[\"'][^\"']*[\"'])\s*\)\.(?:to|is|be|\.)*\w+\("
        rb"\s*(?:(?P=value)\s*)?\)|\bexpect\(\s*(?P<both>[^()]+(?:\([^()]*\))?)\s*\)\.to\w+\(\s*(?P=both)\s*\)"
        rb"|\bassert(?:\.ok|\.isTrue)?\(\s*(?:true|1)\s*[,)]"
        rb"|\bassert\.\w*(?i:equal|same|is)\w*\(\s*" + _SAME + rb"\s*,\s*(?P=same)\s*[,)]"
        rb"|\bexpect\([^\n]*\.catch\(\s*(?:\(?\w*\)?\s*=>\s*(?:\{\s*\}|null|undefined|0)|\w+)\s*\)"
        rb"|\bexpect\([^\n]*\)\.to\w+\(\s*expect\.anything\(\s*\)\s*\)"
    ),
    double=re.compile(
        rb"\b(?:jest|vi)\.(?:mock|doMock|setMock|spyOn|unstable_mockModule)\(|\bsinon\.(?:stub|replace)\("
        rb"|\b(?:mock|t\.mock)\.(?:module|method)\(|\bproxyquire\b|\brewire\("
    ),
)
_GO = Language(
    re.compile(rb"^func\s+((?:Test|Fuzz|Example)(?![a-z])\w*)\s*\("),
    re.compile(
        rb"\b[a-zA-Z]\w*(?:\.T\(\))?\.Skip(?:f|Now)?\(|^func\s+TestMain\b|^//go:build|^// ?\+build"
        rb"|runtime\.Goexit\(|^\s*(?:_\s*=\s*)?recover\(\)|\{\s*(?:_\s*=\s*)?recover\(\)"
    ),
    re.compile(rb"\b(?:t|b|tb|f|c|s)\.(?:Error|Fatal|Fail)|\b(?:assert|require|is)\.\w+\("),
    re.compile(rb"\bos\.Exit\(|flag\.Lookup\(\"test\.|testing\.Testing\(|syscall\.Exit\("),
    blanked=COMPILED,
    vacuous=re.compile(
        rb"\b(?:assert|require)\.True\(\s*\w+\s*,\s*true\b"
        rb"|\b(?:assert|require)\.\w*Equal\w*\(\s*\w+\s*,\s*" + _SAME + rb"\s*,\s*(?P=same)\s*[,)]"
    ),
    guarded=re.compile(rb"\b(?:t|b|tb|f|c|s)\.(?:Error|Fatal|Fail)"),
)
_RUST = Language(
    re.compile(
        rb"^\s*(?:pub\s+)?(?:async\s+)?(?:unsafe\s+)?fn\s+(\w+)\s*\(|\]\s*(?:async\s+)?fn\s+(\w+)\s*\("
    ),
    re.compile(
        rb"#\[ignore|#\[should_panic|#!?\[cfg\((?!test\)\])|#!?\[cfg_attr\(.*\bignore\b|\bcfg!\("
    ),
    re.compile(rb"\b(?:debug_)?assert\w*!\s*[({\[]|\bpanic!\s*[({\[]|\bunreachable!\s*\("),
    re.compile(rb"process::(?:exit|abort)\s*\(|libc::_?exit\s*\("),
    blanked=COMPILED,
    vacuous=re.compile(
        rb"\bassert!\s*\(\s*true\b|\bassert_eq!\s*\(\s*" + _SAME + rb"\s*,\s*(?P=same)\s*[,)]"
        rb"|\bassert!\s*\(\s*(?P<it>\w+)\s*==\s*(?P=it)\s*[,)]"
    ),
    attribute=re.compile(
        rb"#\[(?:\w+::)*(?:test|rstest|test_case|case|quickcheck|bench|property_test)\b"
        rb"|#\[wasm_bindgen_test|\bproptest!"
    ),
)
_JVM = Language(
    re.compile(
        rb"^\s*(?:@\w+(?:\([^)]*\))?\s+|\[\w+(?:\([^)]*\))?\]\s*)*"
        rb"(?:(?:public|private|internal|protected|static|final|async|suspend)\s+)*"
        rb"(?:void|fun|Task|func)\s+`?(\w+)"
    ),
    re.compile(
        rb"@(?:Disabled|Ignore)|\[Ignore|Skip\s*=|\bassum(?:e|ing)\w*\(|Assert\.(?:Ignore|Inc)"
        rb"|@Enabled(?:If|On)|@Tag\(|XCTSkip"
    ),
    re.compile(
        rb"\b[Aa]ssert\w*\s*[.(]|\bverify\s*\(|\bexpect\w*\s*\(|\bshould\w*\b|\bfail\s*\(|XCTAssert"
    ),
    re.compile(rb"System\.exit\(|Runtime\.getRuntime\(\)\.halt|Environment\.Exit\(|exitProcess\("),
    blanked=COMPILED,
    vacuous=re.compile(
        rb"\bassertTrue\(\s*true\b|\bassertFalse\(\s*false\b|\b[Aa]ssert\w*Equals?\(\s*"
        + _SAME
        + rb"\s*,\s*(?P=same)\s*[,)]"
    ),
    attribute=re.compile(
        rb"@(?:Test|ParameterizedTest|RepeatedTest|TestFactory|Theory|Property)\b"
        rb"|\[(?:Fact|Theory|Test\w*)\b|\b(?:void|fun|func)\s+`?test"
    ),
)
_RUBY = Language(
    re.compile(
        rb"^\s*(?:(?:it|specify|test)\s*\(?\s*[\"']([^\"'\n]{1,200})|(?:def\s+(?:test\w*)))"
    ),
    re.compile(
        rb"^\s*(?:x(?:it|describe|context|specify)|skip|pending|f(?:it|describe|context))\b"
    ),
    re.compile(rb"\b(?:expect|assert\w*|refute\w*|should)\b"),
    re.compile(rb"\b(?:exit!?|abort|at_exit)\b"),
)
_PHP = Language(
    re.compile(rb"\bfunction\s+(test\w+)\s*\("),
    re.compile(rb"markTest(?:Skipped|Incomplete)|->skip\("),
    re.compile(rb"\bassert\w*\s*\(|\bexpect\w*\s*\("),
    re.compile(rb"\b(?:exit|die)\s*[(;]|register_shutdown_function"),
    blanked=SCRIPT,
    vacuous=re.compile(
        rb"\bassertTrue\(\s*true\b|\bassertSame\(\s*" + _SAME + rb"\s*,\s*(?P=same)\s*[,)]"
    ),
)
_SHELL = Language(
    re.compile(rb"^@test\s+[\"']([^\"']{1,200})|^\s*(?:function\s+)?(test\w*)\s*\(\)"),
    re.compile(rb"^\s*skip\b"),
    re.compile(rb"\[\[? .{0,400}\]|\bassert\w*\b|\btest\s+-"),
    re.compile(rb"\bexit\s+0\b|\|\|\s*(?:true|:)|\btrap\b|set\s+\+e"),
)
_BY_SUFFIX = {
    **dict.fromkeys(
        ("js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts", "vue", "svelte"), _SCRIPT
    ),
    "go": _GO,
    "rs": _RUST,
    **dict.fromkeys(("java", "kt", "kts", "scala", "groovy", "cs", "fs", "swift"), _JVM),
    "rb": _RUBY,
    "php": _PHP,
    **dict.fromkeys(("sh", "bash", "bats", "zsh"), _SHELL),
}


def language(path: str) -> Language | None:
    """By its name's end; None = not one of them."""
    return _BY_SUFFIX.get(path.rpartition(".")[2].lower())
