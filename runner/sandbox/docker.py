"""The docker engine: one hardened container per sandbox, removed whatever happens."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, cast

from runner.errors import InfraError
from runner.ports import Watch
from runner.records.sandbox import CODEX, Bind, Check, EngineName, Exit, SandboxSpec
from runner.sandbox import apparmor, docker_socket, docker_spec, mounts, owner
from runner.sandbox.codex_package import CodexPackage
from runner.sandbox.docker_client import (
    Client,
    attached,
    connected,
    ending,
    kill,
    remove,
    remove_volume,
    speaking,
)
from runner.sandbox.docker_stage import Local, Placed, Stage
from runner.sandbox.docker_stream import converse
from runner.sandbox.resources import resource
from runner.sandbox.seccomp import docker_profile
from runner.sandbox.volumes import CONTENT, tidy
from runner.tried import Tried

IMAGE = "codex-runner:bookworm"
UID = 10001
"""The image's user; what a sandbox is when the runner is root."""
SWEEP_S = 30
BUILD = "run `codex-runner images build`"


class DockerEngine:
    """Sandboxes in containers of a Docker engine on this machine."""

    name: EngineName = "docker"
    python = "/usr/bin/python3"
    path = f"{CODEX}/codex-path:/usr/local/bin:/usr/bin:/bin"

    def __init__(
        self,
        codex: CodexPackage | None,
        image: str = IMAGE,
        runtime: str | None = None,
        scratch: Path | None = None,
        tried: Tried | None = None,
        address: str | None = None,
    ) -> None:
        """`scratch` is where checks try an overlay: on the disk that will hold workspaces.
        `runtime` is the engine's name of one, None = its default. `address` replaces DOCKER_HOST.
        """
        as_root = os.geteuid() == 0
        self.codex = codex
        self.image = image
        self.runtime = runtime
        self.scratch = scratch
        self.uid = UID if as_root else os.geteuid()
        self.gid = UID if as_root else os.getegid()
        self.address = docker_socket.named(address)
        self._tried = tried
        self._shares: bool | None = None
        self._info: Mapping[str, Any] = {}

    @property
    def attributes(self) -> Literal["user.overlay.", "trusted.overlay."]:
        """Where files are sent, an ordinary user reads them back there."""
        return "trusted.overlay." if os.geteuid() == 0 and self.shares else "user.overlay."

    @property
    def shares(self) -> bool:
        """Whether the engine sees the runner's files: tried, and remembered when it does."""
        if self._shares is None:
            from runner.sandbox.docker_probe import shares

            key = f"docker shares files {self.fingerprint} {self.scratch}"
            known = self._tried is not None and self._tried.worked(key)
            self._shares = known or shares(self)
            if self._shares and not known and self._tried is not None:
                self._tried.remember(key)
        return self._shares

    @property
    def fingerprint(self) -> str:
        try:
            version = docker_socket.ask("/version", self.address) or {}
            image = docker_socket.ask(f"/images/{self.image}/json", self.address) or {}
            runtime = self._runtime()
        except InfraError:
            return "unreachable"
        codex = self.codex.root if self.codex else None
        told = f"{version.get('Components')} {image.get('Id')} {runtime} {codex}"
        return f"{self.address} {told}"

    def _runtime(self) -> str:
        """Its name, settings and file: the engine's version tells nothing of them."""
        info: Mapping[str, Any] = docker_socket.ask("/info", self.address) or {}
        name = self.runtime or info.get("DefaultRuntime")
        settings = {**((info.get("Runtimes") or {}).get(name) or {})}
        settings.pop("status", None)  # what it can do, at length
        with suppress(OSError):
            found = os.stat(shutil.which(str(settings.get("path"))) or "")
            settings["file"] = (found.st_ino, found.st_size, found.st_mtime_ns)
        return f"{name} {settings}"

    def reachable(self) -> bool:
        """Whether an engine answers and has the image; milliseconds, and no more than that."""
        try:
            return docker_socket.ask(f"/images/{self.image}/json", self.address) is not None
        except InfraError:
            return False

    def checks(self) -> tuple[Check, ...]:
        from runner.sandbox.docker_checks import examine

        return examine(self)

    def connected(self) -> AbstractContextManager[Client]:
        """A client of this engine. Raises InfraError: none answers."""
        return connected(self.address)

    def run(self, spec: SandboxSpec, stdin: bytes, watch: Watch) -> Exit:
        return self.run_at(self._stage(), spec, stdin, watch)

    def run_at(self, stage: Stage, spec: SandboxSpec, stdin: bytes, watch: Watch) -> Exit:
        """`run` with a choice of where the files are."""
        mounts.verify(spec)
        began = time.monotonic()
        with (
            self.connected() as client,
            stage.placed(client, spec, self._host(client, spec)) as placed,
        ):
            name, labels = _named(spec)
            body = docker_spec.container(placed.spec, placed.host, name, labels)
            with _made(client, placed.spec, name, body):
                end = self._drive(client, name, placed, stdin, watch, began)
            return placed.collect(end)

    def local(self) -> Local:
        """Files where they are; an ordinary user needs help to remove what overlayfs leaves."""
        return Local(None if os.geteuid() == 0 else self._sweep)

    def _stage(self) -> Stage:
        if self.shares:
            return self.local()
        from runner.sandbox.remote import Remote

        return Remote()

    def _drive(
        self, client: Client, name: str, placed: Placed, stdin: bytes, watch: Watch, began: float
    ) -> Exit:
        walls = placed.spec.walls
        with (
            placed.watching(watch, client, name) as watching,
            attached(client, name) as link,
            ending(client, name) as ended,
        ):
            with speaking("start the sandbox"):
                client.start(name)
            started = time.monotonic()
            heard, stopped = converse(
                link, ended, stdin, watching, walls, lambda number: kill(client, name, number)
            )
        with speaking("tell how the sandbox ended"):
            state = client.inspect_container(name)["State"]
        if state["Running"]:
            raise InfraError("the docker engine lost sight of a sandbox", "look at its log")
        return Exit(
            code=None if stopped else int(state["ExitCode"]),
            stopped=stopped,
            out_of_memory=bool(state["OOMKilled"]),
            duration_ms=round((time.monotonic() - started) * 1000),
            start_ms=round((started - began) * 1000),
            stdout_bytes=heard.stdout_bytes,
            stderr_bytes=heard.stderr_bytes,
            stderr_tail=heard.tail(),
            unenforced=docker_spec.unenforced(self._info),
        )

    def reap(self) -> int:
        """Removes what runners that are gone left in the engine; how many things that was."""
        with self.connected() as client:
            with speaking("list what it holds"):
                chosen = {"label": owner.OWNER}
                containers = client.containers(all=True, filters=chosen)
                volumes = client.volumes(filters=chosen)["Volumes"] or ()
            boxes = [box["Id"] for box in containers if owner.abandoned(box["Labels"])]
            own = [volume for volume in volumes if CONTENT not in volume["Labels"]]
            loose = [volume["Name"] for volume in own if owner.abandoned(volume["Labels"])]
            for identity in boxes:
                remove(client, identity)
            for name in loose:
                remove_volume(client, name)
            return len(boxes) + len(loose) + tidy(client)

    def info(self, client: Client) -> Mapping[str, Any]:
        """What the engine says of itself and its machine."""
        with speaking("describe its machine"):
            self._info = self._info or client.info()
        return self._info

    def usable_image(self) -> str:
        """The image's id.

        Raises:
            InfraError: absent, or it would add to the environment or keep files.
        """
        found = docker_socket.ask(f"/images/{self.image}/json", self.address)
        if found is None:
            build = f"run `codex-runner images build --tag {self.image}`"
            raise InfraError(f"the docker engine has no image {self.image}", build)
        settings = cast("Mapping[str, Any]", found.get("Config") or {})
        extra = [text for text in settings.get("Env") or () if not text.startswith("PATH=")]
        if extra or settings.get("Volumes"):
            raise InfraError(f"image {self.image} sets ENV or VOLUME", f"remove them, or {BUILD}")
        return str(found["Id"])

    def _host(self, client: Client, spec: SandboxSpec) -> docker_spec.Host:
        files = [Bind(resource(name).resolve(), f"/etc/{name}") for name in docker_spec.ETC]
        if spec.codex:
            if self.codex is None:
                raise InfraError("codex is not installed", "pip install openai-codex-cli-bin")
            files.append(Bind(self.codex.root.resolve(), CODEX))
        runtime = self.runtime or self.info(client).get("DefaultRuntime")
        return docker_spec.Host(
            image=self.usable_image(),
            uid=self.uid,
            gid=self.gid,
            cpus=int(self.info(client).get("NCPU") or spec.walls.cpus),
            seccomp=docker_profile(spec.nested, traced=runtime != "runc"),
            confinement=apparmor.container_options(self.info(client)),
            files=tuple(files),
            runtime=self.runtime,
        )

    def _sweep(self, client: Client, spec: SandboxSpec) -> None:
        """overlayfs leaves `work/work`, root's and mode 000. An ordinary user can remove it only
        when it is empty, so root in a container, with no capability, empties it."""
        assert spec.workspace is not None
        left = spec.workspace.work / "work"
        with suppress(OSError):
            left.rmdir()
        if not left.exists():
            return
        sweeper = docker_spec.sweeper(spec.run)
        name, labels = _named(sweeper)
        body = docker_spec.emptying(left, sweeper, self._host(client, sweeper), name, labels)
        doing = "empty an overlay's work directory"
        with _made(client, sweeper, name, body), speaking(doing):
            client.start(name)
            client.wait(name, timeout=SWEEP_S)
        with suppress(OSError):
            left.rmdir()


def _named(spec: SandboxSpec) -> tuple[str, dict[str, str]]:
    """A fresh name and the labels of everything that is made under it."""
    life_s = spec.walls.wall_s + docker_spec.ORPHAN_S
    name = f"{owner.LABEL}-{spec.run}-{spec.role}-{secrets.token_hex(4)}"
    return name, owner.labels(spec.run, spec.role, life_s)


@contextmanager
def _made(client: Client, spec: SandboxSpec, name: str, body: Mapping[str, Any]) -> Iterator[None]:
    """The container and its volume, both called `name`; gone afterwards, come what may."""
    try:
        with speaking("create the sandbox"):
            if spec.workspace:
                options = docker_spec.volume(spec.workspace)
                client.create_volume(name, "local", options, body["Labels"])
            client.create_container_from_config(body, name)
        yield
    finally:
        remove(client, name)
        if spec.workspace:
            remove_volume(client, name)
