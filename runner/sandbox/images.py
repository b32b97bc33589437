"""The docker engine's image: built with a registry or without one, and listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from runner import __version__
from runner.errors import InfraError
from runner.sandbox.bootstrap import bootstrap, packages_digest
from runner.sandbox.docker_client import Client, connected, speaking
from runner.sandbox.owner import LABEL
from runner.sandbox.resources import resource

BASE = "debian:bookworm-slim"
MARK = f"{LABEL}.image"
VERSION = f"{LABEL}.version"
MADE_OF = f"{LABEL}.base"
"""The base image's digest, or one over the list of packages."""
NO_REGISTRY = "add --from-packages: it needs no registry"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Image:
    """One of the product's images, as an engine holds it."""

    tags: tuple[str, ...]
    id: str
    version: str
    base: str
    size_bytes: int
    created_at: str


def built() -> tuple[Image, ...]:
    """All images of the product in the engine, newest first."""
    with connected() as client, speaking("list images"):
        ids = [found["Id"] for found in client.images(filters={"label": MARK})]
        rows = [_image(client.inspect_image(identity)) for identity in ids]
    return tuple(sorted(rows, key=lambda image: image.created_at, reverse=True))


def build_from_registry(tag: str, base: str, progress: Progress) -> Image:
    """The Dockerfile over `base`, pinned to the digest its registry answers with.

    Raises:
        InfraError: no engine, no registry, or a step failed.
    """
    with connected() as client:
        pinned = _pinned(client, base, progress)
        with speaking("build the image"):
            lines = client.build(
                path=str(resource("Dockerfile").parent),
                tag=tag,
                buildargs={"BASE": pinned},
                labels=_labels(pinned),
                forcerm=True,
                decode=True,
                use_config_proxy=True,
            )
            _follow(lines, "stream", progress)
            return _image(client.inspect_image(tag))


def build_from_packages(tag: str, mirror: str | None, progress: Progress) -> Image:
    """The same image out of Debian packages alone.

    Raises:
        InfraError: no engine, no mmdebstrap, or it failed.
    """
    with connected() as client, TemporaryDirectory(prefix="codex-runner-image-") as folder:
        tar = Path(folder) / "rootfs.tar"
        bootstrap(tar, mirror, progress)
        labels = _labels(f"packages@{packages_digest(tar)}")
        progress(f"importing {tar.stat().st_size // 1_000_000} MB")
        name, _, version = tag.rpartition(":")
        with speaking("import the image"):
            client.import_image(str(tar), name, version, changes=_changes(labels))
            return _image(client.inspect_image(tag))


def _pinned(client: Client, base: str, progress: Progress) -> str:
    """`debian@sha256:...`, after it was pulled."""
    with speaking(f"pull {base}", remedy=NO_REGISTRY):
        _follow(client.pull(base, stream=True, decode=True), "status", progress)
        digests: list[str] = client.inspect_image(base)["RepoDigests"]
    if not digests:
        raise InfraError(f"{base} has no digest in its registry", NO_REGISTRY)
    return digests[0]


def _follow(lines: Iterable[Mapping[str, Any]], key: str, progress: Progress) -> None:
    """Passes a pull's or a build's progress on; one that failed says so in its last line."""
    for line in lines:
        if "error" in line:
            problem = " ".join(str(line["error"]).split())
            raise InfraError(f"the image could not be made: {problem}", NO_REGISTRY)
        text = str(line.get(key, "")).strip()
        if text:
            progress(text)


def _labels(base: str) -> dict[str, str]:
    return {MARK: "1", VERSION: __version__, MADE_OF: base}


def _changes(labels: Mapping[str, str]) -> list[str]:
    """What the Dockerfile says of an image besides its files; no ENV."""
    marks = [f'LABEL {name}="{value}"' for name, value in labels.items()]
    return [*marks, "USER 10001:10001", "WORKDIR /work", 'CMD ["/bin/bash"]']


def _image(found: Mapping[str, Any]) -> Image:
    labels = found["Config"]["Labels"] or {}
    return Image(
        tags=tuple(found["RepoTags"] or ()),
        id=found["Id"],
        version=labels.get(VERSION, ""),
        base=labels.get(MADE_OF, ""),
        size_bytes=found["Size"],
        created_at=found["Created"],
    )
