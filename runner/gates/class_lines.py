"""What the changed lines of a file, and the file itself, say of a change's class."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set

from runner.gates.class_code import code_lines, composed, without_prose
from runner.gates.class_words import LINE_WORDS, Seen, spoken
from runner.records.classes import ClassName

NEAR = 3
"""Lines around a changed decision that it may decide about."""
_DECIDES = re.compile(
    r"\b(?:return|if|else|elif|elsif|unless|except|catch|rescue|try|pass|continue|break|raise|throw"
    r"|true|false|and|or|not|goto|next|skip)\b|&&|\|\||!",
    re.IGNORECASE,
)
_DDL = (
    r"(?:alter|create|drop|truncate|rename)\s+(?:or\s+replace\s+)?(?:unique\s+|temp(?:orary)?\s+"
    r"|materialized\s+)?(?:table|column|index|schema|database|view|type|sequence|trigger|function"
    r"|procedure|constraint|extension|policy|role)\b"
)
_LINES: Mapping[ClassName, re.Pattern[str]] = {
    "migration": re.compile(
        rf"\b(?i:{_DDL})|(?i:\badd\s+column\s)"
        r"|\bop\.(?:add|alter|drop|create|rename|execute|bulk|batch)_?\w*\("
        r"|\bmigrations\.[A-Z]\w+|\bmodels\.(?:\w+Field|ForeignKey)\b|\bmapped_column\("
        r"|\b(?:db|sa)\.Column\(|(?:^|[\s=(,])Column\("
        r"|\b(?:create|drop|rename)_(?:join_)?table\b"
        r"|\b(?:add|remove|change|rename)_(?:column|index|reference|foreign_key|timestamps)\b"
        r"|\bqueryInterface\.|\bknex\.schema\b|\bschema\.(?:create|alter|drop|rename)Table"
        r"|\bSchema::(?:table|create|drop|rename)|\bmigrationBuilder\.|->addSql\(|\bAutoMigrate\("
        r"|@(?:Entity|Column|JoinColumn|OneToMany|ManyToOne|OneToOne|ManyToMany|PrimaryColumn"
        r"|PrimaryGeneratedColumn)\b|\bgorm:\"|\bDataTypes\.[A-Z]|\bmongoose\.(?:Schema|model)\b"
        r"|\b(?:unique_together|index_together|db_table|UniqueConstraint)\b|\bgoose\.AddMigration"
    ),
    "security": re.compile(
        r"\b(?:abort|status|sendStatus|HTTPException|HttpStatus|status_code|statusCode|head|Response"
        r"|StatusCode|WriteHeader)\b.{0,30}\b40[13]\b"
        r"|\b(?:user|account|member|actor|subject|viewer)s?\.roles?\b"
        r"|(?i:access-control-allow|set-cookie|strict-transport|content-security-policy)"
        r"|\bverify\s*=\s*(?:False|false)|\bsession\[|\$_SESSION\b"
        r"|\"Effect\"\s*:\s*\"(?:Allow|Deny)"
    ),
    "infrastructure": re.compile(
        r"\b(?:kubectl|terraform|ansible-playbook|pulumi|helm (?:install|upgrade))\b"
    ),
}
_FILES: tuple[tuple[ClassName, str, tuple[str, ...]], ...] = (
    ("migration", "is a database migration", (r"\(migrations\.Migration\)",)),
    ("migration", "is a database migration", (r"^from alembic import|^[ \t]*down_revision\b",)),
    ("migration", "is a database migration", (r"\b(?:ActiveRecord|Ecto)[:.]+Migration\b",)),
    ("migration", "is a database migration", (r"\bextends (?:Abstract)?Migration\b",)),
    ("migration", "is a database migration", (r"\bMigration(?:Interface|Builder)\b",)),
    ("migration", "is a database migration", (r"^-- \+(?:goose|migrate)|databaseChangeLog",)),
    ("migration", "is a database migration", (r"^(?:exports\.|export .{0,20})up\b", r"\bdown\b")),
    ("migration", "is a table's class", (r"^@Entity\b",)),
    ("infrastructure", "is a cluster's", (r"^[ \t\"]*apiVersion\"?:", r"^[ \t\"]*kind\"?:")),
    ("infrastructure", "is a stack's", (r"AWSTemplateFormatVersion",)),
    ("infrastructure", "builds an image", (r"^FROM[ \t]+\S", r"^(?:RUN|COPY|CMD|ENTRYPOINT)[ \t]")),
    ("infrastructure", "is a playbook", (r"^[ ]*- hosts:", r"^[ ]*(?:tasks|roles):")),
    ("ci", "is a CI pipeline", (r"^jobs[ ]*:", r"^[ ]+(?:runs-on|steps)[ ]*:")),
    ("ci", "is a CI pipeline", (r"^stages[ ]*:", r"^[ ]+(?:- )?script[ ]*:")),
    ("ci", "is a CI pipeline", (r"\Apipeline[ ]*\{",)),
)
"""Class, why, and what a file of it has, all of them somewhere."""


def of_file(data: bytes) -> Iterator[Seen]:
    """A file of a kind that its name does not tell; one side is enough."""
    text = data.decode(errors="surrogateescape")
    for name, why, patterns in _FILES:
        if all(re.search(pattern, text, re.MULTILINE) for pattern in patterns):
            yield name, f"it {why}", None


def of_lines(path: str, data: bytes, changed: Sequence[int]) -> Iterator[Seen]:
    """One side's changed lines, by number, with those that a changed decision stands beside."""
    touched = frozenset(changed)
    rows = [composed(row) for row in data.decode(errors="surrogateescape").split("\n")]
    if not any(_speaks(rows[number - 1]) for number in _asked(rows, touched)):
        return  # nor does it without its comments
    lines = code_lines(path, data)
    for number in _asked(lines, touched):
        near = "" if number in touched else ", beside a changed decision"
        line = lines[number - 1]
        for name, pattern in _LINES.items():
            if hit := pattern.search(line):
                yield name, f"the line has `{hit[0].strip()[:60]}`{near}", number
        for name, word in spoken(without_prose(line), LINE_WORDS).items():
            yield name, f"the line speaks of {word}{near}", number


def _asked(lines: Sequence[str], touched: Set[int]) -> list[int]:
    """Numbers of the changed lines, and of those near a changed decision."""
    numbers = set(touched)
    for number in touched:
        if 0 < number <= len(lines) and _DECIDES.search(lines[number - 1]):
            numbers |= {*range(number - NEAR, number + NEAR + 1)}
    return sorted(number for number in numbers if 0 < number <= len(lines))


def _speaks(row: str) -> bool:
    return any(each.search(row) for each in _LINES.values()) or bool(spoken(row, LINE_WORDS))
