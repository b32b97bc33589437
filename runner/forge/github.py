"""Draft pull requests through GitHub's REST interface (PyGithub), github.com or Enterprise.

The token is read in `token()` and `open()`, and goes into the Authorization header only.
https://docs.github.com/en/rest/pulls/pulls (read 2026-11).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runner.errors import ConfigError, InfraError
from runner.forge.address import Address, parse_remote
from runner.ports import Request
from runner.records.report import Publication

if TYPE_CHECKING:
    from github import Github
    from github.PullRequest import PullRequest
    from github.Repository import Repository

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_LATER = "run it again later, or open the request by hand from `codex-runner diff`"
_RIGHTS = "a fine-grained token needs: Contents write, Pull requests write, on this repository"


@dataclass(frozen=True, slots=True)
class GithubForge:
    """The port `Forge` on GitHub. Answers 5xx and broken lines are tried `retries` times again."""

    remote: str
    load_token: Callable[[], str] = field(repr=False)
    """Reads the credential; called only when something is about to leave."""
    api: str | None = None
    """Base URL of the REST interface; None = derived from the remote."""
    retries: int = 3
    backoff_s: float = 1.0
    timeout_s: int = 30

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if parts.scheme != "https" and not local:
            raise ConfigError(f"the forge's API {self.api!r} is not encrypted", "use https://")

    @property
    def base_url(self) -> str:
        """Of the REST interface."""
        derived = parse_remote(self.remote).api
        return (self.api or derived).rstrip("/")

    def token(self) -> str:
        """The credential for the push and the request.

        Raises:
            ConfigError: it is empty or could not be sent in a header.
        """
        token = self.load_token().strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigError(
                "the GitHub token is empty or not a token", "look where it is read from"
            )
        return token

    def require(self) -> None:
        """What `open` will need is there; the token is looked at and forgotten.

        Raises:
            ConfigError: PyGithub or the token is missing.
        """
        if find_spec("github") is None:
            raise _missing()
        self.token()

    def open(self, request: Request) -> Publication:
        """Finds the open request of this branch, or opens a draft and adds the labels that exist.

        Raises:
            ConfigError: PyGithub is not installed, or the token is not one.
            InfraError: GitHub refused, failed or could not be reached.
        """
        with self.repository() as (repository, address):
            return self._opened(repository, address, request)

    @contextmanager
    def repository(self) -> Iterator[tuple[Repository, Address]]:
        """The repository of the remote, to be asked inside. Raises as `open`."""
        try:
            import github
            import requests
        except ImportError:
            raise _missing() from None
        address = parse_remote(self.remote)
        token = self.token()
        try:
            with closing(self._connection(token)) as connection:
                yield connection.get_repo(address.slug), address
        except github.GithubException as error:
            data = error.data if isinstance(error.data, dict) else {}
            raise _refused(address, error.status, _plain(data.get("message"), token)) from error
        except requests.RequestException as error:
            reason = _plain(type(error).__name__, token)
            raise InfraError(f"{self.base_url} cannot be reached: {reason}", _LATER) from error
        except (github.BadAttributeException, *_NOT_GITHUB) as error:
            raise InfraError(
                f"{self.base_url} does not answer like GitHub", "check its URL"
            ) from error

    def _opened(self, repository: Repository, address: Address, request: Request) -> Publication:
        pull = _find(repository, address, request)
        created = pull is None
        notes: tuple[str, ...] = ()
        if pull is None:
            pull, created = _create(repository, address, request)
            notes = _label(repository, pull, request.labels)
        return Publication(
            remote=self.remote,
            ref=f"refs/heads/{request.branch}",
            commit=request.commit,
            url=pull.html_url,
            number=pull.number,
            created=created,
            notes=notes,
        )

    def _connection(self, token: str) -> Github:
        import github

        for name in ("github", "urllib3"):  # PyGithub logs to stderr by itself
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # A POST is repeated as well: the second of two is answered 422 and the first found again.
        retry = github.GithubRetry(
            total=self.retries, backoff_factor=self.backoff_s, raise_on_status=False,
            secondary_rate_wait=60, max_rate_limit_wait=60,
        )  # fmt: skip
        return github.Github(
            base_url=self.base_url, auth=github.Auth.Token(token), retry=retry, lazy=True,
            per_page=100, timeout=self.timeout_s, user_agent="codex-runner",
            seconds_between_requests=None, seconds_between_writes=None,  # a run makes about five
        )  # fmt: skip


_NOT_GITHUB = (RuntimeError, AssertionError, TypeError, ValueError)
"""What PyGithub raises over a redirect to elsewhere, or JSON that is not GitHub's."""


def _find(repository: Repository, address: Address, request: Request) -> PullRequest | None:
    """The open request whose head is this branch."""
    head = f"{address.owner}:{request.branch}"
    for pull in repository.get_pulls(state="open", head=head):
        if pull.head.ref == request.branch:  # GitHub ignores a head it does not understand
            return pull
    return None


def _create(repository: Repository, address: Address, request: Request) -> tuple[PullRequest, bool]:
    """A new request (True), a draft where the repository can have one; or the one there is."""
    from github import GithubException

    for draft in (True, False) if request.draft else (False,):
        try:
            pull = repository.create_pull(
                base=request.target, head=request.branch, title=request.title, body=request.body,
                draft=draft, maintainer_can_modify=False,
            )  # fmt: skip
        except GithubException as error:
            told = str(error.data).lower()
            if error.status == 422 and "already exists" in told:
                known = _find(repository, address, request)
                if known is not None:
                    return known, False
            if not (error.status == 422 and draft and "draft" in told):
                raise
        else:
            return pull, True
    raise AssertionError("unreachable: the last turn returns or raises")


def _label(repository: Repository, pull: PullRequest, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Adds the labels the repository has; GitHub would make the others up. Returns notes."""
    from github import GithubException

    if not labels:
        return ()
    try:
        known = {label.name.lower(): label.name for label in repository.get_labels()}
        wanted = [known[label.lower()] for label in labels if label.lower() in known]
        if wanted:
            pull.add_to_labels(*wanted)
    except GithubException as error:  # the request is open: a label is no reason to fail
        return (f"labels not added: GitHub answered {error.status}",)
    return tuple(
        f"label {label!r} does not exist in the repository"
        for label in labels
        if label.lower() not in known
    )


def _refused(address: Address, status: int, message: str) -> InfraError:
    told = f"GitHub answered {status}" + (f" ({message})" if message else "")
    match status:
        case 401:
            return InfraError(f"{told}: the token is not valid (any more)", "make a new token")
        case 403:
            return InfraError(f"{told}: the token may not do this in {address.slug}", _RIGHTS)
        case 404:
            return InfraError(f"{told}: no {address.slug}, or the token does not see it", _RIGHTS)
        case 422:
            return InfraError(f"{told} to a request in {address.slug}", "check the target branch")
        case _:
            return InfraError(f"{told} for {address.slug}", _LATER)


def _plain(message: object, token: str) -> str:
    """A server's words: one line, printable, capped, the token cut out."""
    text = message if isinstance(message, str) else ""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return shown.replace(token, "***")[:200]


def _missing() -> ConfigError:
    return ConfigError("the github forge needs PyGithub", "pip install 'codex-runner[github]'")
