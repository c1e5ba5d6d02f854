"""The line to the mail server: encrypted and verified where it must be, reused while it lasts, plain about every outcome."""

import asyncio
import ssl
from email.message import EmailMessage
from pathlib import Path

import pytest
import trustme

from tenants.settings import Settings
from tests.workers.post import altered, text_of
from tests.workers.scripted_smtp import ScriptedServer, Visit
from workers.smtp import Line, Outcome, PostOffice


def a_mail(subject: str = "Été") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "gate@example.com", "kim@example.com", subject
    message.set_content("Hello.\n.\n..and good-bye, à bientôt\n")
    return message


async def send(line: Line, *, to: str = "kim@example.com", within: float = 5) -> Outcome:
    return await line.hand_over(a_mail(), sender="gate@example.com", recipient=to, within=within)


@pytest.fixture
def plain(settings: Settings, scripted: ScriptedServer) -> Settings:
    return altered(settings, smtp_url=f"smtp+plain://127.0.0.1:{scripted.port}", smtp_timeout=0.5)


async def test_one_line_carries_many_mails(plain: Settings, scripted: ScriptedServer) -> None:
    line = PostOffice(plain).line()
    assert [await send(line) for _ in range(3)] == [Outcome("accepted", "250 taken")] * 3
    await line.close()
    assert [text_of(taken.message) for taken in scripted.taken] == ["Hello.\n.\n..and good-bye, à bientôt\n"] * 3
    [visit] = scripted.visits
    assert visit.commands == ["EHLO", *["MAIL", "RCPT", "DATA"] * 3, "QUIT"]


async def test_a_refused_recipient_does_not_cost_the_line(plain: Settings, scripted: ScriptedServer) -> None:
    scripted.answer("rcpt", "550 no such person", to="gone")
    line = PostOffice(plain).line()
    assert await send(line, to="gone@example.com") == Outcome("refused", "550 no such person")
    assert await send(line) == Outcome("accepted", "250 taken")
    await line.close()
    assert len(scripted.visits) == 1


@pytest.mark.parametrize("parting", ["421 closing", None])
async def test_a_line_that_the_server_closed_between_mails_costs_nothing(
    plain: Settings, scripted: ScriptedServer, parting: str | None
) -> None:
    line = PostOffice(plain).line()
    await send(line)
    if parting:
        scripted.answer("mail", parting, times=1)
    else:
        scripted.break_off("mail", times=1)
    assert await send(line) == Outcome("accepted", "250 taken")
    await line.close()
    assert (len(scripted.taken), len(scripted.visits)) == (2, 2)


@pytest.mark.parametrize(
    ("step", "reply", "outcome"),
    [
        ("connect", "554 no service", Outcome("later", "the mail server would not talk to us: 554 no service")),
        ("ehlo", "550 who?", Outcome("later", "the mail server would not talk to us: 550 who?")),
        ("mail", "451 later", Outcome("later", "451 later")),
        ("mail", "550 not from you", Outcome("refused", "550 not from you")),
        ("mail", "530 sign in first", Outcome("later", "530 sign in first")),
        ("rcpt", "450 greylisted", Outcome("later", "450 greylisted")),
        ("rcpt", "553 bad name", Outcome("refused", "553 bad name")),
        ("data", "421 going away", Outcome("later", "421 going away")),
        ("dot", "452 full", Outcome("later", "452 full")),
        ("dot", "554 spam", Outcome("refused", "554 spam")),
        ("dot", "250-odd\r\nnonsense", Outcome("later", "-1 Malformed SMTP response line: nonsense")),
    ],
)
async def test_each_answer_has_its_outcome(
    plain: Settings, scripted: ScriptedServer, step: str, reply: str, outcome: Outcome
) -> None:
    scripted.answer(step, reply, times=1)  # type: ignore[arg-type]  # the steps are written out above
    line = PostOffice(plain).line()
    assert await send(line) == outcome
    assert (await send(line)).kind == "accepted"
    await line.close()
    assert len(scripted.taken) == 1


@pytest.mark.parametrize("step", ["connect", "ehlo", "mail", "rcpt", "data", "content", "dot", "kept"])
async def test_a_broken_connection_is_temporary(plain: Settings, scripted: ScriptedServer, step: str) -> None:
    scripted.break_off(step, times=1)  # type: ignore[arg-type]  # the steps are written out above
    line = PostOffice(plain).line()
    broken = await send(line)
    assert broken.kind == "later"
    assert broken.reply.startswith(("the mail server cannot be reached: ", "the connection to the mail server broke: "))
    assert (await send(line)).kind == "accepted"
    await line.close()


@pytest.mark.parametrize("step", ["connect", "mail", "dot"])
async def test_silence_is_temporary(plain: Settings, scripted: ScriptedServer, step: str) -> None:
    async def wait(_: Visit) -> str | None:
        await asyncio.sleep(60)
        return None

    scripted.at[step] = wait  # type: ignore[index]  # the steps are written out above
    line = PostOffice(plain).line()
    started = asyncio.get_running_loop().time()
    assert (await send(line)).kind == "later"
    assert await send(PostOffice(altered(plain, smtp_timeout=60)).line(), within=0.3) == Outcome(
        "later", "the mail server took longer than 0 s"
    )
    assert asyncio.get_running_loop().time() - started < 3
    await line.close()


async def test_nobody_listens(settings: Settings) -> None:
    line = PostOffice(altered(settings, smtp_url="smtp+plain://127.0.0.1:1")).line()
    outcome = await send(line)
    assert outcome.kind == "later"
    assert outcome.reply.startswith("the mail server cannot be reached: ")


async def test_replies_are_kept_printable(plain: Settings, scripted: ScriptedServer) -> None:
    scripted.answer("rcpt", "550 no\x00\x1b[31m such\tperson " + "x" * 900)
    line = PostOffice(plain).line()
    outcome = await send(line)
    await line.close()
    assert outcome.reply.startswith("550 no [31m such person xxx")
    assert len(outcome.reply) == 500


async def test_addresses_with_accents_need_a_server_that_takes_them(settings: Settings) -> None:
    async with ScriptedServer(extensions=("SMTPUTF8",)) as able, ScriptedServer() as unable:
        outcomes = []
        for server in (able, unable):
            line = PostOffice(altered(settings, smtp_url=f"smtp+plain://127.0.0.1:{server.port}")).line()
            outcomes.append(await send(line, to="léa@example.com"))
            await line.close()
    assert [outcome.kind for outcome in outcomes] == ["accepted", "refused"]
    assert [taken.recipient for taken in able.taken] == ["léa@example.com"]
    assert unable.taken == []


class Authority:
    """A certificate authority, and servers that it vouches for."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def server(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(name).configure_cert(context)
        return context


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


async def test_starttls_encrypts_before_the_first_mail(settings: Settings, authority: Authority) -> None:
    async with ScriptedServer(tls=authority.server("localhost")) as server:
        line = PostOffice(altered(settings, smtp_url=f"smtp://localhost:{server.port}")).line()
        assert await send(line) == Outcome("accepted", "250 taken")
        await line.close()
    assert server.visits[0].commands == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
    assert server.taken[0].secure


async def test_a_certificate_for_another_name_is_refused(settings: Settings, authority: Authority) -> None:
    async with ScriptedServer(tls=authority.server("elsewhere.example")) as server:
        line = PostOffice(altered(settings, smtp_url=f"smtp://localhost:{server.port}")).line()
        outcome = await send(line)
    assert outcome.kind == "later"
    assert "Hostname mismatch" in outcome.reply
    assert server.taken == []


async def test_a_certificate_of_an_unknown_authority_is_refused(
    settings: Settings, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Authority(tmp_path_factory.mktemp("stranger"))
    async with ScriptedServer(tls=stranger.server("localhost")) as server:
        line = PostOffice(altered(settings, smtp_url=f"smtp://localhost:{server.port}")).line()
        outcome = await send(line)
    assert outcome.kind == "later"
    assert outcome.reply.startswith("the mail server's certificate or encryption is not acceptable: ")
    assert server.taken == []


async def test_a_server_without_starttls_gets_nothing(settings: Settings, scripted: ScriptedServer) -> None:
    line = PostOffice(altered(settings, smtp_url=f"smtp://localhost:{scripted.port}")).line()
    outcome = await send(line)
    assert outcome.kind == "later"
    assert "STARTTLS" in outcome.reply
    assert scripted.visits[0].commands == ["EHLO"]
