"""What waits for a person's word, what was said, and that each word is used once.

1. A request is one action by its digest; asking for the same again is the same request.
2. A word counts when it is signed with an approver's key, for exactly that request, by a person
   whom the policy names and who is not the one that asks.
3. A no, and a word that cannot be read, deny for good. Time denies, and so does a run's death.
4. At its use everything is looked at anew, and the use is durable before anything is done.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from runner.approvals.standing import WHY, Standing, State
from runner.approvals.store import Row, Rows, Store
from runner.errors import ConfigError, InfraError, RefusedError
from runner.records.approval import (
    AT_TERMINAL,
    LONGEST,
    PEOPLE,
    PREFIX,
    WORD_HOLDS,
    Action,
    Advice,
    Approval,
    ApprovalId,
    ApprovalRequest,
    Channel,
    barred,
)
from runner.records.base import RunId
from runner.records.decision import Proposal
from runner.records.evidence import About, AgentId, Statement

MOST_WAITING, FLOOD_WITHIN = 200, timedelta(hours=1)
"""Unanswered requests: whoever asks more wears people out."""
_LIST = "codex-runner approvals list"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Queue:
    """`Queue(STATE / "approvals", seal, Standing(unseal))`; for several threads and processes."""

    home: Path
    seal: Callable[[Statement], bytes]
    """Signs with an approver's key; raises RunnerError: there is none."""
    standing: Standing
    level: int = 1
    author: str = ""
    """The person on whose behalf is asked, where a forge says so."""
    channels: tuple[Channel, ...] = ()
    """How a person can be reached; none = nothing can be asked."""
    clock: Callable[[], datetime] = field(default=_now)

    @property
    def store(self) -> Store:
        return Store(self.home)

    def ask(self, action: Proposal | Action, summary: str) -> str | None:
        """The id of the request; None = nobody can be asked. The same action is asked for once."""
        if not self.channels:
            return None
        request = self._request(action, summary)
        try:
            with self.store.writing() as rows:
                for row in rows.of_action(request.action):
                    if self._state(row) not in ("expired", "used"):
                        return row.request.id
                if rows.asked_since(self.clock() - FLOOD_WITHIN) >= MOST_WAITING:
                    return None
                rows.ask(request)
        except InfraError:
            return None
        return request.id

    def state(self, request: str) -> State:
        """Where a request stands; `unknown` is also one that cannot be read."""
        try:
            with self.store.reading() as rows:
                row = rows.get(request)
                return "unknown" if row is None else self._state(row)
        except InfraError:
            return "unknown"

    def use(self, request: str, action: Proposal | Action, now: datetime) -> str | None:
        """None = it is allowed, once, and that is used up now; else why not, in one line."""
        try:
            with self.store.writing() as rows:
                row = rows.get(request)
                if row is None:
                    return WHY["unknown"]
                why = self.standing.refusal(row, action, now)
                if why is None:
                    rows.use(row.request.id, now)
                return why
        except InfraError as error:
            return error.problem

    def resolve(
        self,
        request: str,
        word: Literal["yes", "no"],
        digest: str,
        approver: str,
        channel: Channel,
        reason: str = "",
    ) -> Approval:
        """A person's word; `digest` is (the beginning of) the one they looked at. Saying it twice
        is saying it once; after a no there is no yes.

        Raises:
            ConfigError: no such request, or that is not its digest.
            RefusedError: it does not wait any more, or this person may not approve it.
            InfraError: it cannot be kept.
        """
        with self.store.reading() as rows:
            row = _known(rows, request)
        _require_digest(row.request, digest)
        if (said := self._open(row, word, approver)) is not None:
            return said
        given = self._word(row.request, word, approver, channel, reason)
        envelope = self.seal(_statement(row.request, given))
        with self.store.writing() as rows:
            if (said := self._open(_known(rows, request), word, approver)) is not None:
                return said
            rows.resolve(row.request.id, envelope)
        return given

    def advise(self, request: str, advice: Advice) -> None:
        """What a reviewing model says of it, once. That is no word: it counts only where the policy
        lists the class of the command, which is looked at anew whenever it matters."""
        with self.store.writing() as rows:
            rows.advise(_known(rows, request).request.id, advice)
        self.standing.hear(request, advice)

    def advice(self, request: str) -> tuple[Advice | None, str]:
        """What a model said of it, and, where that stands in a person's place, which one and of
        what class: `gpt-5.6-terra, class test`. Raises ConfigError, InfraError."""
        with self.store.reading() as rows:
            row = _known(rows, request)
        return row.advice, self.standing.auto(row)

    def auto(self, request: str) -> str:
        """Empty = no model stands in a person's place. Raises ConfigError, InfraError."""
        return self.advice(request)[1]

    def unadvised(self, run: RunId) -> tuple[ApprovalRequest, ...]:
        """Commands of this run that wait, and no model has said anything of."""
        with self.store.reading() as rows:
            found = [row for row in rows.of_run(run) if row.advice is None]
        return tuple(
            row.request
            for row in found
            if row.request.kind == "command" and self._state(row) == "waiting"
        )

    def requests(self, *, everything: bool = False) -> tuple[tuple[ApprovalRequest, State], ...]:
        """In the order they were asked: those of which some may wait, or all there ever were.
        Raises InfraError: they cannot be read."""
        since = None if everything else self.clock() - LONGEST
        with self.store.reading() as rows:
            return tuple((row.request, self._state(row)) for row in rows.all(since))

    def known(self, action: Proposal | Action) -> bool:
        """Whether it was ever asked for. Raises InfraError: that cannot be read."""
        with self.store.reading() as rows:
            return bool(rows.of_action(action.digest()))

    def words(self) -> tuple[Approval, ...]:
        """Everything that was said and can be read. Raises InfraError."""
        with self.store.reading() as rows:
            said = [word for row in rows.all() for word in self.standing.words(row)]
        return tuple(word for word in said if word is not None)

    def waiting(self) -> tuple[Mapping[str, object], ...]:
        """Those that wait, as JSON."""
        return tuple(
            asked.model_dump(mode="json", exclude={"content"})
            for asked, state in self.requests()
            if state == "waiting"
        )

    def find(self, prefix: str) -> tuple[ApprovalRequest, State]:
        """By its id or the beginning of one. Raises ConfigError: none, or several."""
        with self.store.reading() as rows:
            found = rows.beginning(prefix)
            if len(found) == 1:
                return found[0].request, self._state(found[0])
        what = f"{prefix!a} fits {len(found)} requests" if found else f"no request {prefix!a}"
        raise ConfigError(what, _LIST)

    def allowed(self, action: Proposal | Action) -> Approval | None:
        """The word that allows this action now, if somebody has given it and it is not used."""
        now = self.clock()
        with self.store.reading() as rows:
            for row in rows.of_action(action.digest()):
                if self.standing.refusal(row, action, now) is None:
                    return self.standing.yes(row, now)
        return None

    def _state(self, row: Row) -> State:
        return self.standing.state(row, self.clock())

    def _request(self, action: Proposal | Action, summary: str) -> ApprovalRequest:
        now, rules = self.clock(), self.standing.rules
        proposal = action if isinstance(action, Proposal) else None
        lasts = timedelta(seconds=rules.expires_s)
        if proposal and self.channels == ("terminal",):
            lasts = min(lasts, AT_TERMINAL)
        return ApprovalRequest(
            id=ApprovalId(f"ap_{secrets.token_hex(8)}"),
            kind="command" if proposal else "publish",
            action=action.digest(),
            content=action.canonical().decode(),
            summary=summary,
            policy=action.policy,
            level=self.level,
            asker=f"agent:{action.agent}" if isinstance(action, Proposal) else action.asker,
            author=self.author,
            run=action.run,
            risk=self.standing.risk(proposal.tools, proposal.code) if proposal else "other",
            approvers=rules.approvers,
            asked_at=now,
            expires_at=now + lasts,
        )

    def _open(self, row: Row, word: Literal["yes", "no"], approver: str) -> Approval | None:
        """What this person said already, if that was the same. Raises RefusedError: too late, or
        not theirs to say."""
        asked, state = row.request, self._state(row)
        for said in self.standing.words(row):
            if said is not None and (said.word, said.approver) == (word, approver):
                return said
        if state not in ("waiting", "approved"):
            raise RefusedError(f"{asked.id} does not wait any more: {WHY[state]}", _LIST)
        why = barred(asked, approver)
        if (word == "yes" and why) or not approver.startswith(PEOPLE):
            raise RefusedError(f"the word does not count: {why}", "let somebody else look at it")
        return None

    def _word(
        self,
        asked: ApprovalRequest,
        word: Literal["yes", "no"],
        approver: str,
        channel: Channel,
        reason: str,
    ) -> Approval:
        now = self.clock()
        lasts = WORD_HOLDS if channel == "terminal" else asked.expires_at - now
        return Approval(
            id=asked.id,
            action=asked.action,
            approver=approver,
            approved_at=now,
            expires_at=min(now + lasts, asked.expires_at),
            word=word,
            channel=channel,
            reason=reason,
            request=asked.digest(),
        )


def how(asked: ApprovalRequest) -> str:
    """What a person types to answer."""
    return f"codex-runner approvals approve {asked.id} {asked.action[:PREFIX]}"


def _known(rows: Rows, request: str) -> Row:
    row = rows.get(request)
    if row is None:
        raise ConfigError(f"no request {request!a}", _LIST)
    return row


def _require_digest(asked: ApprovalRequest, digest: str) -> None:
    if len(digest) < PREFIX or not asked.action.startswith(digest.lower()):
        raise ConfigError(
            f"{digest!a} is not what {asked.id} waits for",
            f"read it again: codex-runner approvals show {asked.id}",
        )


def _statement(asked: ApprovalRequest, word: Approval) -> Statement:
    agent = asked.asker.removeprefix("agent:")
    return Statement(
        kind="approval",
        subject={"action": {"sha256": asked.action}},
        predicate=word.model_dump(mode="json"),
        about=About(run=asked.run, agent=AgentId(agent if agent.startswith("ag_") else "")),
    )
