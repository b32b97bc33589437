"""Whether a branch is protected, asked of GitHub; reading is all the token needs."""

from __future__ import annotations

from contextlib import closing

from runner.errors import InfraError
from runner.forge.address import parse_remote
from runner.forge.github import GithubForge

REMEDY = "give github_token Contents read on this repository"


def is_protected(forge: GithubForge, branch: str) -> bool:
    """By a protection rule or a ruleset.

    Raises:
        ConfigError: PyGithub or the token is missing.
        InfraError: GitHub refused or could not be reached.
    """
    forge.require()
    import github
    import requests

    address = parse_remote(forge.remote)
    try:
        with closing(forge._connection(forge.token())) as connection:  # same room
            return bool(connection.get_repo(address.slug).get_branch(branch).protected)
    except github.GithubException as error:
        raise InfraError(f"GitHub answered {error.status} for {branch}", REMEDY) from error
    except (requests.RequestException, RuntimeError, TypeError, ValueError) as error:
        raise InfraError(
            f"{forge.base_url} did not answer: {type(error).__name__}", REMEDY
        ) from error
