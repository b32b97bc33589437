"""Source distributions through pip, kept between benches; no code of theirs is run.

pip asks a package's build program for its name and version, which may mean to run its setup.py.
Here every build program is a stand-in that copies them from PKG-INFO.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from runner.text import line
from tests.bench.command import finish
from tests.bench.labelled.diff import Entry
from tests.bench.labelled.releases import RELEASES
from tests.bench.row import UnmeasuredError

MOST_CHARS = 300
MOST_BYTES = 64 * 1024 * 1024
"""Unpacked, of one distribution."""
BACKENDS = ("flit_core.buildapi", "hatchling.build", "setuptools.build_meta")
STAND_IN = """\
import os
import shutil
import sys
from email.parser import HeaderParser


def prepare_metadata_for_build_wheel(place, *_):
    with open("PKG-INFO", encoding="utf-8") as file:
        head = HeaderParser().parse(file)
    name = f"{head['Name'].replace('-', '_')}-{head['Version']}.dist-info"
    os.makedirs(os.path.join(place, name))
    shutil.copyfile("PKG-INFO", os.path.join(place, name, "METADATA"))
    return name


__legacy__ = sys.modules[__name__]
"""

Release = tuple[str, str]
"""Package and version."""


def fetch(cache: Path, scratch: Path) -> tuple[Mapping[Release, Path], Mapping[Release, str]]:
    """Every release that is to be had, and why the others are not."""
    cache.mkdir(parents=True, exist_ok=True)
    missing: dict[Release, str] = {}
    for wanted in _rounds():
        found = _kept(cache)
        absent = [release for release in wanted if release not in found]
        if absent and (why := _download(absent, cache, scratch)):
            missing |= dict.fromkeys(absent, why)
    found = _kept(cache)
    unlike = "the index has another file of this name"
    return found, {
        release: missing.get(release, unlike)
        for wanted in _rounds()
        for release in wanted
        if release not in found
    }


def _rounds() -> Iterator[list[Release]]:
    """pip takes one version of a package at a time."""
    columns = ([(name, version) for version in RELEASES[name]] for name in RELEASES)
    for row in zip_longest(*columns):
        yield [release for release in row if release is not None]


def _kept(cache: Path) -> dict[Release, Path]:
    """What is there, by content: a file that changed is none."""
    digests = {
        digest: (name, version)
        for name, versions in RELEASES.items()
        for version, digest in versions.items()
    }
    found = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in cache.glob("*.tar.gz")}
    return {digests[digest]: path for digest, path in found.items() if digest in digests}


def _download(wanted: list[Release], cache: Path, scratch: Path) -> str:
    """Why it failed; empty = it did not."""
    stand_ins = scratch / "stand-ins"
    for backend in BACKENDS:
        path = stand_ins / f"{backend.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(STAND_IN)
    listed = scratch / "requirements.txt"
    rows = (
        f"{name}=={version} --hash=sha256:{RELEASES[name][version]}" for name, version in wanted
    )
    listed.write_text("\n".join(rows))
    words = (
        "download",
        "--no-binary",
        ":all:",
        "--no-deps",
        "--no-build-isolation",
        "--require-hashes",
    )
    argv = (sys.executable, "-m", "pip", *words, "-q", "--retries", "1", "-d", cache, "-r", listed)
    try:
        finish(argv, env={**os.environ, "PYTHONPATH": str(stand_ins)})
    except UnmeasuredError as error:
        return line(str(error), MOST_CHARS)
    return ""


def unpack(path: Path) -> Mapping[str, Entry]:
    """The regular files of a distribution without what its build added."""
    files: dict[str, Entry] = {}
    left = MOST_BYTES
    with tarfile.open(path) as archive:
        for member in archive:
            inside = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            generated = inside.name == "PKG-INFO" or any(
                part.endswith(".egg-info") for part in inside.parts
            )
            source = None if generated or ".git" in inside.parts else archive.extractfile(member)
            if source is None or not member.isreg() or ".." in inside.parts:
                continue
            left -= member.size
            if left < 0:
                raise ValueError(f"{path.name} unpacks to more than {MOST_BYTES} bytes")
            mode = "100755" if member.mode & 0o100 else "100644"
            files[str(inside)] = Entry(source.read(), mode)
    return MappingProxyType(files)
