"""What `verify-activity` and `activity-heads` do and say."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.terminal import N_, Refusal, Screen, _, complain
from tenants.accounts import Account
from tenants.activity_checks import Finding, What
from tenants.activity_seals import Head
from tenants.activity_verification import NO_HEADS, verify_account
from tenants.database import Database
from tenants.outbox import step_into_sorting_room
from tenants.sealing import key_name
from tenants.settings import Settings
from tenants.tokens import Signer

COULD_NOT_LOOK = 3
# Seconds between two words about how far it is.
_TELL_EVERY = 5.0

_WORDS = {
    What.SEAL_MISSING: N_("it is missing from the chain."),
    What.SEAL_CHANGED: N_("it was changed after it was made."),
    What.SEAL_EMPTIED: N_("it was emptied, though the history does not say that this month was deleted in its time."),
    What.HEAD_MISSING: N_("the head that follows it was deleted."),
    What.HEAD_CHANGED: N_("the head of the chain was changed: it does not fit the last seal."),
    What.TAIL_CUT: N_("the end of the chain was cut off from here on."),
    What.KEPT_HEAD_CUT: N_("the end of the chain was cut off from here on: the head that was kept elsewhere lies beyond."),
    What.KEPT_HEAD_DIFFERS: N_("it is not the one that was kept elsewhere: the chain was made anew."),
    What.LINE_MISSING: N_("it was deleted."),
    What.LINE_GONE_BEFORE: N_("it was deleted before it was sealed."),
    What.LINE_CHANGED: N_("it was changed after it was sealed."),
    What.LINE_BACKDATED: N_("it was added later: it claims to be older than lines that were sealed before it."),
    What.LINE_POSTDATED: N_("it was added: it claims to be younger than the seal that it is in."),
    What.LINE_NOT_SEALED: N_("it was written more than 10 minutes ago and is not sealed: does a worker run?"),
    What.LINE_IN_NO_SEAL: N_("it is in no seal: it was added, or taken out of the lines to seal."),
    What.ACTOR_CHANGED: N_("name, address, IP or device of whoever did it were changed after it was sealed."),
    What.TARGET_CHANGED: N_("what it says of the person acted on was changed after it was sealed."),
    What.NOT_ERASED: N_("it names a person who was deleted, in place of the pseudonym."),
    What.NOBODY_ASKED: N_("the key of a person in it was destroyed though that person was not deleted."),
}


@dataclass
class Report:
    """What was looked at, and what was found, by the account's slug."""

    accounts: int = 0
    lines: int = 0
    seals: int = 0
    strange: int = 0
    strange_key: str | None = None
    own_key: str = ""
    findings: list[tuple[str, Finding]] = field(default_factory=list)


@contextmanager
def could_not_look() -> Iterator[None]:
    """Whatever keeps a command from looking leaves with a status of its own: a script must not take it for a finding."""
    try:
        yield
    except Refusal as refusal:
        raise Refusal(str(refusal), code=COULD_NOT_LOOK if refusal.code == 1 else refusal.code) from refusal


async def verify(settings: Settings, *, slug: str | None, heads: Path | None) -> Report:
    """Check the history of every account, or of one. How far it is, is told on standard error when it takes long."""
    signer = Signer(settings.secret_key.get_secret_value())
    kept = {} if heads is None else _read_heads(heads)
    report = Report(own_key=key_name(signer))
    told_at, lines = monotonic(), 0

    def tell(more: int) -> None:
        nonlocal told_at, lines
        lines += more
        if monotonic() - told_at > _TELL_EVERY:
            told_at = monotonic()
            complain(_("{lines} lines checked, {accounts} accounts done").format(lines=lines, accounts=report.accounts))

    async with _database(settings) as database:
        for account_id, name in await _accounts(database, slug, set(kept)):
            checked = await verify_account(database, signer, account_id, kept=kept.get(account_id, NO_HEADS), tell=tell)
            report.accounts += 1
            report.lines += checked.lines
            report.seals += checked.seals
            report.strange += checked.strange
            report.strange_key = report.strange_key or checked.strange_key
            if checked.finding is not None:
                report.findings.append((name, checked.finding))
    return report


def told(report: Report, screen: Screen) -> None:
    """Say what was found; raises Refusal when anything was, or when it could not be told."""
    for account, finding in report.findings:
        screen.line(_sentence(account, finding))
    if report.findings:
        raise Refusal(
            _("Accounts whose history is not as it was sealed: {count}. Of each, the first place is named.").format(
                count=len(report.findings)
            )
        )
    if report.strange:
        raise Refusal(
            _("Seals made with another SECRET_KEY ({theirs}; this one is {ours}): {count}. Whether they are genuine cannot be told. "
              "Run this with the SECRET_KEY of that time.").format(count=report.strange, theirs=report.strange_key, ours=report.own_key),
            code=COULD_NOT_LOOK,
        )  # fmt: skip
    screen.line(
        _("All is as it was sealed. Accounts: {accounts}, lines: {lines}, seals: {seals}.").format(
            accounts=report.accounts, lines=report.lines, seals=report.seals
        )
    )


async def heads_of(settings: Settings, *, slug: str | None) -> list[str]:
    """A JSON line for each account whose history was sealed at all."""
    key = key_name(Signer(settings.secret_key.get_secret_value()))
    async with _database(settings) as database, database.transaction() as session:
        await step_into_sorting_room(session)
        await _known(session, slug)
        query = select(Head, Account.slug).join(Account, Account.id == Head.account_id).where(Head.number > 0).order_by(Account.id)
        rows = await session.execute(query if slug is None else query.where(Account.slug == slug))
        return [_written(head, name, key) for head, name in rows]


def _sentence(account: str, finding: Finding) -> str:
    what = _(_WORDS[finding.what])
    if finding.line is None:
        return _("{account}, seal {seal}: {what}").format(account=account, seal=finding.seal, what=what)
    at = "?" if finding.at is None else finding.at.isoformat().replace("+00:00", "Z")
    return _("{account}, line {line} of {at}: {what}").format(account=account, line=finding.line, at=at, what=what)


def _written(head: Head, slug: str, key: str) -> str:
    return json.dumps(
        {
            "account": slug,
            "account_id": str(head.account_id),
            "number": head.number,
            "lines": head.lines,
            "digest": head.digest.hex(),
            "sealed_at": head.sealed_at.isoformat(),
            "key": key,
        }
    )


def _read_heads(path: Path) -> dict[UUID, dict[int, bytes]]:
    heads: dict[UUID, dict[int, bytes]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(_("{path} cannot be read: {why}").format(path=path, why=error), code=COULD_NOT_LOOK) from error
    for number, line in enumerate(lines, 1):
        try:
            head = json.loads(line)
            heads.setdefault(UUID(head["account_id"]), {})[int(head["number"])] = bytes.fromhex(head["digest"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Refusal(
                _("{path}, line {number}: this is no head of a history.").format(path=path, number=number), code=COULD_NOT_LOOK
            ) from error
    return heads


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.database_url.get_secret_value(), pool_size=1)
    try:
        yield database
    finally:
        await database.close()


async def _accounts(database: Database, slug: str | None, kept: set[UUID]) -> list[tuple[UUID, str]]:
    # Accounts are never deleted: one whose head was kept elsewhere and that is not there any more has lost its whole history.
    async with database.transaction() as session:
        await _known(session, slug)
        query = select(Account.id, Account.slug).order_by(Account.id)
        rows = await session.execute(query if slug is None else query.where(Account.slug == slug))
        found = [(row.id, row.slug) for row in rows]
    gone = set() if slug is not None else kept - {account_id for account_id, _slug in found}
    return found + [(account_id, str(account_id)) for account_id in sorted(gone)]


async def _known(session: AsyncSession, slug: str | None) -> None:
    if slug is not None and await session.scalar(select(Account.id).where(Account.slug == slug)) is None:
        raise Refusal(_("There is no account {slug}.").format(slug=slug), code=COULD_NOT_LOOK)
