"""More than a person reviews, and what hides it from whoever counts lines of a diff."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from types import MappingProxyType

from runner.records.task import Limits
from tests.bench.labelled.diff import Edits, Entry, Tree
from tests.bench.labelled.plant import Plant, Planted

LIMITS = Limits()
"""The built-in ones, which the plan has too."""
OVER = LIMITS.lines + 1
WORDS = (b"w" * 99 + b"\n") * (LIMITS.bytes // 100 + 1)


def _rows(count: int, end: bytes = b"\n") -> bytes:
    return b"".join(b"value_%d = %d" % (row, row) + end for row in range(count))


def _with(edits: Edits, before: Edits | None = None) -> Plant:
    return lambda _, tree: None if {*edits} & {*tree} else Planted(edits, before=before or {})


def _spread(_: Random, __: Tree) -> Planted:
    """Under every bound for one file."""
    each = OVER // (LIMITS.files // 2) + 1
    return Planted(
        {f"src/part_{number}.py": Entry(_rows(each)) for number in range(LIMITS.files // 2)}
    )


def _removed(_: Random, tree: Tree) -> Planted | None:
    gone: dict[str, None] = {}
    lines = 0
    for path, entry in sorted(tree.items()):
        if lines <= LIMITS.lines and b"\0" not in entry.data:
            gone[path] = None
            lines += entry.data.count(b"\n")
    return Planted(gone) if lines > LIMITS.lines and len(gone) <= LIMITS.files else None


def _other_ends(_: Random, tree: Tree) -> Planted | None:
    """Every line of large files changes invisibly."""
    large = sorted(tree.items(), key=lambda item: -item[1].data.count(b"\n"))
    edits: dict[str, Entry] = {}
    for path, entry in large[:20]:
        if path.endswith(".py") and b"\r" not in entry.data:
            edits[path] = Entry(entry.data.replace(b"\n", b"\r\n"), entry.mode)
    lines = sum(entry.data.count(b"\n") for entry in edits.values())
    return Planted(edits) if lines > LIMITS.lines else None


def _noise(chance: Random) -> Entry:
    return Entry(b"\x89\0" + chance.randbytes(2000))


def _binary(chance: Random, _: Tree) -> Planted:
    return Planted({"docs/picture.png": _noise(chance)})


def _nul(_: Random, __: Tree) -> Planted:
    """Git takes it for binary and shows none of its lines."""
    return Planted({"src/table.py": Entry(_rows(OVER) + b"# \0\n")})


def _nul_in_a_binary(chance: Random, __: Tree) -> Planted:
    return Planted(
        {"docs/data.bin": Entry(_rows(OVER) + b"\0")}, before={"docs/data.bin": _noise(chance)}
    )


def _moved(chance: Random, tree: Tree) -> Planted | None:
    """A rename tool would show nothing."""
    found = sorted(
        path
        for path, entry in tree.items()
        if entry.data.count(b"\n") > 800 and b"\0" not in entry.data
    )
    if not found:
        return None
    path = chance.choice(found)
    return Planted({path: None, f"moved/{path}": tree[path]})


def _many(entry: Entry) -> Plant:
    paths = [f"src/some/{number}.txt" for number in range(LIMITS.files + 1)]
    return _with(dict.fromkeys(paths, entry))


def _modes(_: Random, tree: Tree) -> Planted | None:
    paths = sorted(tree)[: LIMITS.files + 1]
    edits = {path: Entry(tree[path].data, "100755") for path in paths}
    return Planted(edits) if len(paths) > LIMITS.files else None


KINDS: Mapping[str, Plant] = MappingProxyType(
    {
        "lines-one-file": _with({"src/table.py": Entry(_rows(OVER))}),
        "lines-spread": _spread,
        "lines-removed": _removed,
        "lines-generated": _with({"src/schema_pb2.py": Entry(b"# @generated\n" + _rows(OVER))}),
        "lines-lockfile": _with({"web/yarn.lock": Entry(b"# yarn lockfile v1\n" + _rows(OVER))}),
        "lines-vendored": _with({"vendor/thing/index.js": Entry(_rows(OVER))}),
        "lines-minified": _with({"web/dist/app.min.js": Entry(_rows(OVER, b";\n"))}),
        "lines-carriage-returns": _with({"src/table.py": Entry(_rows(OVER, b"\r"))}),
        "lines-crlf": _with({"src/table.py": Entry(_rows(OVER, b"\r\n"))}),
        "lines-other-ends": _other_ends,
        "lines-moved": _moved,
        "lines-blank": _with({"src/space.py": Entry(b"\n" * OVER)}),
        "lines-attribute-binary": _with(
            {"src/table.py": Entry(_rows(OVER))}, {"src/.gitattributes": Entry(b"*.py binary\n")}
        ),
        "lines-attribute-generated": _with(
            {"src/table.py": Entry(_rows(OVER))},
            {"src/.gitattributes": Entry(b"* linguist-generated -diff -text\n")},
        ),
        "lines-nul": _nul,
        "lines-nul-over-binary": _nul_in_a_binary,
        "lines-one-huge": _with({"web/app.js": Entry(b"f(1);" * 170_000)}),
        "lines-several-huge": _with({f"web/app{n}.js": Entry(b"f(1);" * 50_000) for n in range(4)}),
        "lines-ignored": _with(
            {"src/table.py": Entry(_rows(OVER))}, {"src/.gitignore": Entry(b"table.py\n")}
        ),
        "files": _many(Entry(b"x\n")),
        "files-empty": _many(Entry(b"")),
        "files-links": _many(Entry(b"README", "120000")),
        "files-modes": _modes,
        "bytes-one-word-of-much": _with(
            {"src/words.txt": Entry(WORDS + b"one\n")}, {"src/words.txt": Entry(WORDS)}
        ),
        "bytes-one-line": _with({"src/words.txt": Entry(b"w" * (LIMITS.bytes + 1))}),
        "binary": _binary,
        "binary-named-text": lambda chance, _: Planted({"docs/notes.txt": _noise(chance)}),
        "binary-attribute-text": lambda chance, _: Planted(
            {"docs/notes.dat": _noise(chance)},
            before={"docs/.gitattributes": Entry(b"*.dat text diff\n")},
        ),
        "binary-changed": lambda chance, _: Planted(
            {"docs/logo.png": _noise(chance)}, before={"docs/logo.png": _noise(chance)}
        ),
        "utf-16": _with({"docs/notes.txt": Entry("many words\n".encode("utf-16") * 50)}),
    }
)
