"""Lists of people as spreadsheets write them: whatever office they come from, they say the same."""

import pytest

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.api import Api
from tests.batch import add_department, refused, send, users
from tests.make import Company
from tests.tenants.rows import every_row


@pytest.fixture
async def acme(api: Api, house: House) -> Company:
    """A company without a limit of users, whose administrator is signed in."""
    company = await make.company(house, staff=1)
    await api.sign_in(company.administrator)
    return company


ROWS = (("kim@example.com", "Kim Müller-Œuvre", "Utilisateur"), ("zoé@example.com", "Zoé, l'élève", "user"))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("encoding", "header"),
    [("utf-8", "email,name,role"), ("utf-8-sig", "Courriel,Nom,Rôle"), ("cp1252", "Adresse e-mail,nom,RÔLE")],
)
async def test_encodings_separators_and_headers_say_the_same(
    separator: str, encoding: str, header: str, *, api: Api, acme: Company, servers: Addresses
) -> None:
    lines = [header.replace(",", separator), *(separator.join(f'"{cell}"' for cell in row) for row in ROWS)]
    answer = await send(api, acme, "\r\n".join(lines).encode(encoding), query="")
    assert answer.json()["accepted"] == 2, answer.text
    found = await users(servers, acme)
    assert found["kim@example.com"]["name"] == "Kim Müller-Œuvre"
    assert found["zoé@example.com"]["name"] == "Zoé, l'élève"


async def test_columns_come_in_any_order_and_win_over_the_defaults(api: Api, acme: Company, servers: Addresses) -> None:
    north, south = await add_department(api, acme, "Nord", "N1"), await add_department(api, acme, "Sud | est")
    file = (
        "Message;Langue;Départements;Rôle;Nom;Adresse\n"
        '"Bonjour,\nbienvenue";fr;n1;Expert-comptable;Kim;kim@example.com\n'
        f";;;;;lee@example.com\n"
        f";English;{south}|NORD;External accountant;;mo@example.com\n"
    )
    answer = await send(api, acme, file, query="?role=user_without_deletion&language=fr&departments=Nord")
    assert answer.json()["accepted"] == 3, answer.text
    found = await users(servers, acme)
    kim, lee, mo = (found[f"{name}@example.com"] for name in ("kim", "lee", "mo"))
    assert (kim["role"], kim["language"], kim["message"]) == ("accountant", "fr", "Bonjour,\nbienvenue")
    assert [str(one) for one in kim["departments"]] == [north]
    assert (lee["role"], lee["language"], lee["message"]) == ("user_without_deletion", "fr", None)
    assert [str(one) for one in lee["departments"]] == [north]
    assert (mo["role"], mo["language"]) == ("accountant", "en")
    assert {str(one) for one in mo["departments"]} == {north, south}


async def test_line_numbers_are_those_of_the_file(api: Api, acme: Company) -> None:
    file = 'email,message\n\nbad one\n,\nkim@example.com,"two\nlines"\nbad two\n\n\nbad three,x\n'
    assert refused(await send(api, acme, file)) == [
        (3, "bad one", "malformed"),
        (7, "bad two", "malformed"),
        (10, "bad three", "malformed"),
    ]


async def test_a_formula_in_a_name_is_kept_as_it_is(api: Api, acme: Company, servers: Addresses) -> None:
    names = ("=HYPERLINK(1)", "+1", "-1", "@SUM(A1)")
    lines = [f"n{number}@example.com;{name}" for number, name in enumerate(names)]
    assert (await send(api, acme, "\n".join(["email;name", *lines]))).json()["accepted"] == 4
    assert {person["name"] for person in (await users(servers, acme)).values()} == set(names)


@pytest.mark.parametrize(
    ("file", "problem", "words"),
    [
        (b"", "no_lines", "names nobody: at least one line is needed"),
        (b"\r\n ; ;\r\n", "no_lines", "names nobody: at least one line is needed"),
        (b"email;name\n\n", "no_lines", "names nobody: at least one line is needed"),
        (b"kim@example.com\0", "not_text", "is not text in UTF-8 or Windows-1252"),
        ("kim@example.com".encode("utf-16"), "not_text", "is not text in UTF-8 or Windows-1252"),
        (b"kim@example.com\n\x81\xfe", "not_text", "is not text in UTF-8 or Windows-1252"),
        (b'a@example.com\n"b@example.com\nc@example.com', "unbalanced_quotes", "from line 2 on"),
        (b'a@example.com\n"b"@example.com', "unbalanced_quotes", "from line 2 on"),
        (b"email;phone\nkim@example.com;1", "unknown_column", "phone"),
        (b"email;name;Nom\nkim@example.com;a;b", "column_twice", "name"),
        (b"name;role\nKim;user", "column_missing", "without a column for the address"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_whole(
    file: bytes, problem: str, words: str, *, api: Api, acme: Company, servers: Addresses
) -> None:
    before = await every_row(servers)
    answer = await send(api, acme, file)
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["code"] == problem
    assert words in error["message"]
    assert await every_row(servers) == before


async def test_a_line_with_more_cells_than_columns_or_several_addresses_is_refused(api: Api, acme: Company) -> None:
    assert refused(await send(api, acme, "email;name;\nkim@example.com;Kim;\nlee@example.com;Lee;;x\nmo@example.com;Mo;x")) == [
        (3, "lee@example.com", "too_many_cells"),
        (4, "mo@example.com", "too_many_cells"),
    ]
    assert refused(await send(api, acme, "a@example.com; b@example.com; c@example.com")) == [
        (1, "a@example.com", "several_addresses")
    ]


async def test_a_file_of_several_megabytes_is_taken_here_and_nowhere_else(api: Api, acme: Company) -> None:
    file = "email;message\n" + "\n".join(f"n{number}@example.com;{'x' * 990}" for number in range(4900))
    assert 4_900_000 < len(file) < 5 * 1024 * 1024
    answer = await send(api, acme, file, query="?role=user&dry_run=true", **{"Idempotency-Key": "large"})
    assert answer.json()["accepted"] == 4900
    for headers in ({}, {"Idempotency-Key": "larger"}):
        over = await send(api, acme, file + "x" * 400_000, **headers)
        assert (over.status_code, over.json()["code"]) == (413, "too_large")
        elsewhere = await api.post(
            "/users", {"email": "k@example.com", "role": "user", "message": "x" * 1_200_000}, by=acme.administrator, headers=headers
        )
        assert elsewhere.status_code == 413


async def test_another_type_of_body_is_refused_with_both_that_are_taken(api: Api, acme: Company) -> None:
    answer = await send(api, acme, "kim@example.com", **{"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["detail"]) == (415, "Send the body as application/json or text/csv.")
    elsewhere = await api.call(
        "POST", "/users", by=acme.administrator, content=b"email", headers={"Content-Type": "text/csv", "Accept-Language": "en"}
    )
    assert (elsewhere.status_code, elsewhere.json()["detail"]) == (415, "Send the body as application/json.")
