"""Asking a colleague for their place in the console, without scripts: what both see, from the question to the place."""

import re

import pytest

from tenants.house import House
from tests import make
from tests.aging import pass_time
from tests.console.tab import Tab
from tests.make import Company


@pytest.fixture
async def acme(house: House) -> Company:
    """One place, and two people besides the administrator."""
    return await make.company(house, staff=2, seats=1)


@pytest.fixture
async def holder(tab: Tab, acme: Company) -> Tab:
    """The administrator at work, on the first page."""
    first = Tab(tab.client, accept_language="en")
    await first.sign_in(acme.administrator)
    assert "Can you give yours?" not in (await first.open("/")).text
    return first


async def asks(tab: Tab, acme: Company, number: int = 0) -> str:
    """Somebody of the staff asks the one who is at work; the address of the page that they see then."""
    page = await tab.sign_in(acme.staff[number])
    found = re.search(r'name="session" value="([^"]+)">Ask for this place<span class="unseen"> \(Ada of Acme\)', page.text)
    assert (page.status_code, found is not None) == (409, True)
    answer = await tab.submit("/ask", session=found[1] if found else "")
    assert answer.status_code == 303
    return str(answer.headers["location"])


async def test_a_place_that_is_given_is_entered_and_both_know_where_they_stand(
    tab: Tab, holder: Tab, house: House, acme: Company
) -> None:
    where = await asks(tab, acme)
    page = await tab.open(where)
    for words in ("Your colleague is asked", "Ada of Acme</bdi>", "is asked and has not answered yet", "Wait in line"):
        assert words in page.text
    # Whoever only asks is in no line that they could fall out of.
    assert "nobody is asked any more two minutes later" in page.text
    assert "out of the line half a minute later" not in page.text
    name = acme.staff[0].name
    assert f"{name} needs a place. Can you give yours?" in (await holder.open("/")).text
    given = await holder.submit("/asked", answer="release")
    assert given.headers["location"] == "/asked?after=release"
    assert "Thank you. It is held for your colleague." in (await holder.open(given.headers["location"])).text
    held = await tab.open(where)
    for words in ("A place is held for you – Portillon</title>", "A colleague has given their place for you."):
        assert words in held.text
    assert (await tab.submit("/login")).headers["location"] == "/"
    assert (await tab.open("/")).status_code == 200
    await house.finish()
    back = await holder.open("/")
    assert back.status_code == 409
    assert f"You gave your place to {name}, just now. You are still signed in." in back.text
    assert (await holder.submit("/wait")).status_code == 303
    assert "You are next in line" in (await holder.open("/wait")).text
    await tab.open("/")
    await tab.submit("/logout")
    await holder.open("/wait")
    assert (await holder.submit("/login")).status_code == 303
    assert (await holder.open("/")).status_code == 200


async def test_in_a_moment_and_no_are_told_to_whoever_asked(tab: Tab, holder: Tab, acme: Company) -> None:
    where = await asks(tab, acme)
    await holder.open("/")
    assert (await holder.submit("/asked", answer="later")).headers["location"] == "/"
    assert "Can you give yours?" not in (await holder.open("/")).text
    assert "asks for a moment, and is asked again in five minutes" in (await tab.open(where)).text
    second = Tab(tab.client, accept_language="en")
    refused = await second.sign_in(acme.staff[1])
    session = re.search(r'name="session" value="([^"]+)"', refused.text)
    assert session
    page = await second.submit("/ask", session=session[1])
    assert (page.status_code, "left alone for 15 minutes" in page.text) == (409, True)


async def test_no_ends_it_and_leaves_the_holder_alone(tab: Tab, holder: Tab, acme: Company) -> None:
    where = await asks(tab, acme)
    page = await holder.open("/asked")
    assert "Can you give yours?" in page.text
    await holder.submit("/asked", answer="no")
    refused = (await tab.open(where)).text
    for words in ("You are not waiting", "Nobody can give their place at this moment.", "needs the place", "Wait in line"):
        assert words in refused
    assert "Nobody asks for your place at this moment." in (await holder.open("/asked")).text


async def test_to_read_who_asks_keeps_nobody_at_work(tab: Tab, holder: Tab, house: House, acme: Company) -> None:
    await pass_time(house.valkey, acme.account_id, 299)
    where = await asks(tab, acme)
    await holder.open("/asked")
    await pass_time(house.valkey, acme.account_id, 59)
    await holder.open("/asked")
    assert "Your colleague is asked" in (await tab.open(where)).text
    await pass_time(house.valkey, acme.account_id, 2)
    assert "A place is held for you" in (await tab.open(where)).text
    await house.finish()
    await tab.submit("/login")
    page = await holder.open("/")
    assert f"{acme.staff[0].name} asked for your place while you were away, and it was given, just now." in page.text


async def test_an_answer_that_comes_too_late_says_so(tab: Tab, holder: Tab, acme: Company) -> None:
    where = await asks(tab, acme)
    await holder.open("/")
    form = holder.form("/asked")
    await tab.open(where)
    assert (await tab.submit("/wait/leave")).status_code == 303
    for fields, status in (
        ({**form, "answer": "release"}, 404),
        ({**form, "answer": "perhaps"}, 422),
        ({"form_token": form["form_token"]}, 404),
        ({**form, "id": "x"}, 404),
    ):
        answer = await holder.post("/asked", fields)
        assert (answer.status_code, "Your answer came too late, or changes nothing" in answer.text) == (status, True)
    assert (await holder.open("/")).status_code == 200


async def test_everybody_is_asked_where_nobody_is_named(tab: Tab, house: House) -> None:
    from tenants import accounts

    acme = await make.company(house, staff=3, seats=2)
    async with house.database.transaction(acme.account_id) as session:
        await accounts.change_settings(
            session, await accounts.get_account(session, acme.account_id), wanted={"show_holders": False}
        )
    holders = [Tab(tab.client, accept_language="en") for _ in range(2)]
    for number, each in enumerate(holders):
        await each.sign_in(acme.staff[number])
    page = await tab.sign_in(acme.staff[2])
    assert (page.status_code, "Ask for this place" in page.text, acme.staff[0].name in page.text) == (409, False, False)
    where = (await tab.submit("/ask")).headers["location"]
    page = await tab.open(where)
    assert "Your colleagues are asked" in page.text
    assert "No answer yet: 2. Asked for a moment: 0. Need their place: 0." in page.text
    assert acme.staff[0].name not in page.text
    await holders[0].open("/")
    await holders[0].submit("/asked", answer="no")
    assert "No answer yet: 1. Asked for a moment: 0. Need their place: 1." in (await tab.open(where)).text
    await holders[1].open("/")
    await holders[1].submit("/asked", answer="release")
    assert "A place is held for you" in (await tab.open(where)).text


async def test_whoever_is_not_at_work_any_more_cannot_be_asked(tab: Tab, holder: Tab, acme: Company) -> None:
    page = await tab.sign_in(acme.staff[0])
    session = re.search(r'name="session" value="([^"]+)"', page.text)
    assert session
    form = tab.form("/ask")
    await holder.open("/")
    await holder.submit("/logout")
    gone = await tab.post("/ask", {**form, "session": session[1]})
    assert (gone.status_code, "This colleague holds no place any more." in gone.text) == (404, True)
    room = await tab.post("/ask", form)
    assert (room.status_code, "A place is free at this moment" in room.text) == (409, True)
    assert (await tab.submit("/login")).status_code == 303


async def test_a_hand_over_of_another_person_tells_nothing(tab: Tab, holder: Tab, acme: Company) -> None:
    where = await asks(tab, acme)
    second = Tab(tab.client, accept_language="en")
    await second.sign_in(acme.staff[1])
    await second.submit("/wait")
    page = await second.open(where)
    assert page.status_code == 200
    assert "has not answered yet" not in page.text
    assert (await second.open("/wait?ask=x")).status_code == 422
    assert "has not answered yet" in (await tab.open(where)).text


async def test_places_of_another_account_cannot_be_asked_for(tab: Tab, holder: Tab, house: House, acme: Company) -> None:
    beta = await make.company(house, "Beta", staff=1, seats=1)
    theirs, stranger = Tab(tab.client, accept_language="en"), Tab(tab.client, accept_language="en")
    await theirs.sign_in(beta.administrator)
    refused = await stranger.sign_in(beta.staff[0])
    session = re.search(r'name="session" value="([^"]+)"', refused.text)
    assert session
    await tab.sign_in(acme.staff[0])
    form, pages = tab.form("/ask"), []
    for wanted in (session[1], "019a8b3c-0000-7000-8000-000000000000"):
        answer = await tab.post("/ask", {**form, "session": wanted})
        assert answer.status_code == 404
        pages.append(answer.text)
    assert pages[0] == pages[1]
    for each in (holder, theirs):
        assert "Can you give yours?" not in (await each.open("/")).text


async def test_the_pages_speak_french(tab: Tab, holder: Tab, acme: Company) -> None:
    tab.headers = {"accept_language": "fr"}
    page = await tab.sign_in(acme.staff[0])
    assert "Demander à qui peut céder sa place" in page.text
    where = (await tab.submit("/ask")).headers["location"]
    assert "La demande est transmise à votre collègue" in (await tab.open(where)).text
    holder.cookies["portillon-language"] = "fr"
    page = await holder.open("/")
    assert f"{acme.staff[0].name} a besoin d’une place. Pouvez-vous céder la vôtre\u00a0?" in page.text
