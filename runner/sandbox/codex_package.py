"""Where the codex package is: `bin/codex`, `codex-resources/bwrap`, `codex-path/rg`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from runner import process
from runner.errors import ConfigError, InfraError
from runner.records.base import Sha256
from runner.tried import Tried

SUPPORTED = "0.163.0"
INSTALL = f"pip install openai-codex-cli-bin=={SUPPORTED}"


@dataclass(frozen=True, slots=True)
class CodexPackage:
    """One unpacked codex of the supported version, at a path without symbolic links."""

    root: Path
    version: str

    @property
    def binary(self) -> Path:
        return self.root / "bin" / "codex"

    @property
    def bubblewrap(self) -> Path:
        return self.root / "codex-resources" / "bwrap"

    def sha256(self) -> Sha256:
        """Of `bin/codex`; reads 300 MB."""
        with self.binary.open("rb") as file:
            return Sha256(hashlib.file_digest(file, "sha256").hexdigest())


def locate(override: Path | None = None, tried: Tried | None = None) -> CodexPackage:
    """The installed wheel's package, or the one at `override`.

    The binary is asked for its version once for as long as it stays the same file.

    Raises:
        ConfigError: there is none at `override`.
        InfraError: none is installed, it is broken, or of another version.
    """
    root = (_installed() if override is None else override).resolve()
    metadata = root / "codex-package.json"
    try:
        version = str(json.loads(metadata.read_text())["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if override is not None:
            raise ConfigError(
                f"{override} is not a codex package: {metadata.name} is missing or unreadable",
                "give the directory that holds codex-package.json",
            ) from error
        raise InfraError(f"{metadata} is missing or unreadable", INSTALL) from error
    package = CodexPackage(root, version)
    key = f"codex {version} {_identity(package.binary)}"
    if tried is not None and version == SUPPORTED and tried.worked(key):
        return package
    told = process.run([package.binary, "--version"], timeout_s=30).text()
    if version != SUPPORTED or told.split()[-1:] != [version]:
        raise InfraError(f"codex at {root} is {version} and says {told[:80]!r}", INSTALL)
    if tried is not None:
        tried.remember(key)
    return package


def _identity(binary: Path) -> str:
    """Changes when the file is written or replaced."""
    try:
        found = binary.stat()
    except OSError as error:
        raise InfraError(f"{binary} is missing", INSTALL) from error
    return f"{binary} {found.st_dev}:{found.st_ino} {found.st_size} {found.st_mtime_ns}"


def _installed() -> Path:
    try:
        import codex_cli_bin  # type: ignore[import-untyped, unused-ignore]

        return Path(codex_cli_bin.bundled_package_dir())
    except (ImportError, FileNotFoundError) as error:
        raise InfraError("codex is not installed", INSTALL) from error
