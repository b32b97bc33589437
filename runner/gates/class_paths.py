"""What a path alone says about a change: its kind of file, and whether its place is protected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from runner.gates import globs
from runner.gates.class_words import PATH_WORDS, Seen, spoken
from runner.gates.paths import PROTECTED
from runner.records.classes import ClassName

Kind = Literal["docs", "tests", "code"]

_CI = (
    *PROTECTED,
    *("ci/", ".ci/", "**/Jenkinsfile*", "**/*.jenkinsfile", "**/Dangerfile", "**/dangerfile.*"),
    *("**/.mergify.yml", "**/dependabot.y*ml", "**/sonar-project.properties", "**/.gitleaks*"),
    *("**/buildkite.y*ml", "**/.concourse/", "**/Earthfile"),
)
_PLACES: Mapping[ClassName, tuple[str, ...]] = {
    "ci": _CI,
    "migration": (
        *("**/migrations/", "**/migration/", "**/migrate/", "**/alembic/", "**/alembic.ini"),
        *("**/*.sql", "**/*.ddl", "**/*.prisma", "**/db/schema.rb", "**/db/structure.sql"),
        *("**/db/changelog/", "**/liquibase*", "**/changelog*.xml", "**/flyway*"),
        *("**/dbt_project.yml", "**/*.dbml", "**/knexfile.*", "**/ormconfig.*", "**/db/seeds*"),
        *("**/schema.rs",),
    ),
    "infrastructure": (
        *("**/*.tf", "**/*.tfvars", "**/*.tfvars.json", "**/*.tf.json", "**/*.hcl", "**/*.nomad"),
        *("**/Dockerfile*", "**/*.dockerfile", "**/Containerfile*", "**/.dockerignore"),
        *("**/docker-compose*.y*ml", "**/compose*.y*ml", "**/docker-bake.*"),
        *("**/Chart.y*ml", "**/charts/", "**/helm/", "**/helmfile*", "**/kustomization.y*ml"),
        *("**/k8s/", "**/kubernetes/", "**/manifests/*.y*ml", "**/argocd/", "**/flux/"),
        *("**/skaffold.y*ml",),
        *("**/ansible/", "**/playbook*.y*ml", "**/ansible.cfg", "**/*.bicep", "**/cdk.json"),
        *("**/cloudformation/", "**/serverless.y*ml", "**/samconfig.toml", "**/Pulumi*.y*ml"),
        *("**/Procfile", "**/fly.toml", "**/render.yaml", "**/app.yaml", "**/heroku.yml"),
        *("**/nginx/", "**/nginx*.conf", "**/haproxy.cfg", "**/Caddyfile", "**/*.service"),
        *("**/Vagrantfile", "**/*.pkr.hcl", "**/terraform/", "**/terragrunt/", "**/infra/"),
        *("**/infrastructure/", "**/deploy/", "**/deployment/", "**/deployments/", "**/deploy*.sh"),
        *("**/crontab", "**/wrangler.toml", "**/firebase.json", "**/puppet/", "**/salt/*.sls"),
        *("**/.env*", "**/config/production.*", "**/*production.y*ml", "**/application-prod*"),
    ),
    "security": (
        *("**/app/policies/", "**/sudoers*", "**/*.rego", "**/*.rules", "**/.htaccess"),
        *("**/*.pem", "**/*.key", "**/*.crt", "**/*.keystore", "**/*.jks", "**/*.p12"),
        *("**/.htpasswd",),
    ),
}  # fmt: skip
_GLOBS = {name: tuple(map(globs.parse, patterns)) for name, patterns in _PLACES.items()}

_DOCS = re.compile(
    r".*\.(?:md|markdown|rst|adoc|asciidoc|textile|pod|mkd|rdoc)"
    r"|(?:readme|license|licence|copying|authors|contributors|contributing|changelog|changes|news"
    r"|notice|history|todo)(?:\.txt)?"
)
_DOC_FILES = re.compile(
    r"(?!cmakelists).*\.(?:txt|png|jpe?g|gif|svg|webp|ico|pdf|drawio|puml|mmd|dot|po|pot)"
)
_DOC_FOLDERS = frozenset({"doc", "docs", "documentation", "man"})
_TEST_NAMES = re.compile(
    r"test_[^/]*\.py|conftest\.py|[^/]*_tests?\.(?:py|go|rb|exs|dart|cc|cpp|c|rs|clj|lua)"
    r"|[^/]*_spec\.(?:rb|lua|cr)|[^/]*\.(?:test|spec|cy|e2e)\.[cm]?[jt]sx?|[^/]*\.snap"
)
_TEST_CLASSES = re.compile(
    r"\w*[a-z0-9](?:Tests?|IT|Spec)\.(?:java|kts?|scala|groovy|cs|php|swift)"
)
"""By the case of their names: `Latest.java` is no test."""
_TEST_FOLDERS = frozenset({"tests", "test", "__tests__", "testdata", "e2e", "__snapshots__"})
_SPEC_FOLDERS = frozenset({"spec", "specs"})
_SPEC_FILES = re.compile(r".*\.(?:rb|[cm]?[jt]sx?|py|cr|lua)")
_NO_TESTS_BELOW = frozenset({"main", "app", "lib", "internal", "pkg"})
"""A folder `test` in there is a part of the product."""


def kind_of(path: str) -> Kind:
    """Of a path as it is written, by its name and folders."""
    *folders, name = globs.fold(path).split("/")
    if _DOCS.fullmatch(name):
        return "docs"
    if {*folders} & _DOC_FOLDERS and _DOC_FILES.fullmatch(name):
        return "docs"
    if _is_test(folders, name, path.rpartition("/")[2]):
        return "tests"
    return "code"


def _is_test(folders: list[str], name: str, written: str) -> bool:
    if _TEST_NAMES.fullmatch(name) or _TEST_CLASSES.fullmatch(written):
        return True
    for folder in folders:
        if folder in _NO_TESTS_BELOW:
            return False
        if folder in _TEST_FOLDERS or (folder in _SPEC_FOLDERS and _SPEC_FILES.fullmatch(name)):
            return True
    return False


def places(path: str) -> Iterator[Seen]:
    """Protected classes by where a file is, and why; documents and tests are only of `ci`."""
    folded = path.encode(errors="surrogateescape")
    kind = kind_of(path)
    for name, patterns in _GLOBS.items():
        if kind != "code" and name != "ci":
            continue
        for pattern in patterns:
            if pattern.matches_folded(folded):
                yield name, f"its place is {pattern.pattern}", None
                break
    if kind == "code":
        for name, word in spoken(path, PATH_WORDS).items():
            yield name, f"its path has the word {word}", None
