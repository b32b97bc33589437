"""A git directory of our own over the user's objects: nothing of their configuration is in it."""

from __future__ import annotations

from pathlib import Path

from runner.workspace.git import Git
from runner.workspace.repository import Repository
from runner.workspace.store import RAW, borrowing, lay


def private_store(repository: Repository, directory: Path) -> Git:
    """A bare repository that borrows the user's objects and nothing else."""
    files = {
        "objects/info/alternates": borrowing(repository.objects),
        "info/attributes": RAW.encode(),
    }
    shallow = repository.common / "shallow"
    if shallow.is_file():
        files["shallow"] = shallow.read_bytes()
    return lay(directory, sha256=repository.sha256, files=files)
