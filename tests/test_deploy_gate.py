"""The examples of deploy/ that put an application behind the gate: what reaches it, and what everybody else is told."""

import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import trustme
import uvicorn
import yaml

from service.access_log import AccessLog
from service.app import create_app
from service.embedded import free_port
from tenants.house import House
from tenants.settings import Settings
from tests import make
from tests.api import Api
from tests.service.test_gate import IDENTITY, idle
from tests.test_deploy import DEPLOY, Echo, listens, nginx_on, wait_for

NAMES = {f"X-Portillon-{name.title()}" for name in IDENTITY}
# Sent for visitors alone.
VISIT = "X-Portillon-Visit"


@pytest.fixture
def portillon(settings: Settings) -> Iterator[int]:
    """Portillon itself, on a port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            create_app(settings, access_log=AccessLog()), log_config=None, access_log=False, ws="none", lifespan="on"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        wait_for(lambda: server.started)
        yield int(listening.getsockname()[1])
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def proxy(tmp_path: Path, portillon: int) -> Iterator[httpx.Client]:
    """nginx by our file, between a browser and an application that repeats the headers it was sent."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not on this machine")
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    application = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=application.serve_forever, daemon=True).start()
    port = free_port()
    ports = {"443": port, "80": free_port(), "8001": portillon, "8002": free_port(), "9000": application.server_port}
    arguments = nginx_on(tmp_path, ports, name="application.conf")
    tried = subprocess.run([*arguments, "-t", "-q"], capture_output=True, text=True, check=False)
    assert (tried.returncode, tried.stderr) == (0, "")
    nginx = subprocess.Popen([*arguments, "-g", "daemon off;"])
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    try:
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trusted, trust_env=False) as client:
            wait_for(lambda: listens(port))
            yield client
    finally:
        nginx.terminate()
        nginx.wait(10)
        application.shutdown()
        application.server_close()


async def test_nginx_lets_through_whoever_may_and_tells_the_application_who_it_is(
    proxy: httpx.Client, api: Api, house: House
) -> None:
    acme = await make.company(house, staff=1, roles=("simple_administrator",))
    person = acme.staff[0]
    await api.sign_in(person)
    cookie = f"__Host-portillon={api.tokens[person.email]}"
    lies = {
        "X-Portillon-Role": "administrator",
        "X-Portillon-Departments": "*",
        "X-Portillon-Seat": "mine",
        VISIT: "Olga, Operator",
    }
    for proof in (
        {"Authorization": f"Bearer {api.tokens[person.email]}"},
        {"Cookie": f"{cookie}; theme=dark"},
        {"Cookie": f"theme=dark; {cookie}"},
    ):
        for path in ("/app/", "/app/invoices/7?right=platform.manage&x=1", "/app/api/documents"):
            answer = proxy.get(path, headers={**lies, **proof})
            assert answer.status_code == 200, f"{path}: {answer.text}"
            arrived = answer.json()
            said = {name: arrived[name] for name in NAMES}
            assert said["X-Portillon-User"] == str(person.user_id)
            assert (said["X-Portillon-Name"], said["X-Portillon-Role"]) == ("Person%200%20of%20Acme", "simple_administrator")
            assert (said["X-Portillon-Account-Slug"], said["X-Portillon-Seat"]) == ("acme", "pool")
            assert {name for name in arrived if name.startswith("X-Portillon-")} == NAMES
            assert api.tokens[person.email] not in answer.text
            assert arrived.get("Cookie", "").strip("; ") in {"", "theme=dark"}
    body = proxy.post("/app/", content=b"x" * 5000, headers={"Cookie": cookie})
    assert (body.status_code, body.json()["Content-Length"]) == (200, "5000")


async def test_nginx_turns_away_who_may_not(proxy: httpx.Client, api: Api, house: House) -> None:
    acme = await make.company(house, staff=1)
    person, ada = acme.staff[0], acme.administrator
    await api.sign_in(person)
    await api.sign_in(ada)
    by = {"Authorization": f"Bearer {api.tokens[person.email]}"}
    assert proxy.get("/app/invoices/", headers=by).status_code == 200
    hidden = await api.patch(f"/users/{person.user_id}", {"restrictions": ["invoices"]}, by=ada)
    assert hidden.status_code == 200, hidden.text
    refused = proxy.get("/app/invoices/", headers=by)
    assert (refused.status_code, refused.headers["x-portillon-code"]) == (403, "forbidden")
    assert proxy.get("/app/", headers=by).status_code == 200
    for path in ("/_gate/", "/_gate/invoices.view"):
        assert proxy.get(path, headers=by).status_code == 404


async def test_nginx_shows_strangers_the_sign_in_page_and_tells_programs(proxy: httpx.Client) -> None:
    page = proxy.get("/app/", headers={"X-Portillon-User": "me"})
    assert (page.status_code, page.headers["location"]) == (303, "http://localhost:8000/login")
    program = proxy.get("/app/api/documents")
    assert (program.status_code, program.headers["x-portillon-code"]) == (401, "not_signed_in")
    assert program.headers["www-authenticate"] == "Bearer"
    assert proxy.get("/login").status_code == 200
    assert proxy.get("/api/v1/session").json()["code"] == "not_signed_in"


async def test_nginx_says_that_all_places_are_taken(proxy: httpx.Client, api: Api, house: House) -> None:
    acme = await make.company(house, staff=2, seats=1)
    one, other = acme.staff
    await api.sign_in(one)
    await idle(house, acme)
    assert (await api.sign_in(other)).status_code == 201
    by = {"Cookie": f"__Host-portillon={api.tokens[one.email]}"}
    program = proxy.get("/app/api/documents", headers=by)
    assert (program.status_code, program.headers["x-portillon-code"]) == (403, "seats_full")
    page = proxy.get("/app/", headers=by)
    assert (page.status_code, page.headers["location"]) == (303, "https://portillon.example.com/")
    assert "1" in proxy.get("/", headers=by).text
    await api.delete("/session", by=other)
    assert proxy.get("/app/", headers=by).status_code == 200


def test_nginx_lets_nobody_through_while_portillon_is_away(tmp_path: Path) -> None:
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not on this machine")
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    port, nobody = free_port(), free_port()
    ports = {"443": port, "80": free_port(), "8001": nobody, "8002": nobody, "9000": nobody}
    nginx = subprocess.Popen([*nginx_on(tmp_path, ports, name="application.conf"), "-g", "daemon off;"])
    try:
        wait_for(lambda: listens(port))
        with httpx.Client(verify=ssl._create_unverified_context(), trust_env=False) as client:  # noqa: S323, SLF001 - made here
            began = time.monotonic()
            answer = client.get(f"https://localhost:{port}/app/")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert time.monotonic() - began < 10
    finally:
        nginx.terminate()
        nginx.wait(10)


def test_caddy_and_traefik_pass_on_what_the_gate_says_and_nothing_of_the_client() -> None:
    caddy = (DEPLOY / "caddy" / "Caddyfile").read_text(encoding="utf-8")
    copied = re.search(r"copy_headers (.+)", caddy)
    assert copied is not None
    assert set(copied[1].split()) == NAMES | {VISIT}
    assert "request_header -X-Portillon-*" in caddy
    assert caddy.count("{") == caddy.count("}")
    traefik = yaml.safe_load((DEPLOY / "traefik" / "dynamic.yaml").read_text(encoding="utf-8"))["http"]
    asked = {name: each["forwardAuth"] for name, each in traefik["middlewares"].items() if "forwardAuth" in each}
    assert {each["address"].rpartition("8001")[2] for each in asked.values()} == {
        "/gate/check",
        "/gate/check?right=invoices.view",
    }
    for each in asked.values():
        assert set(each["authResponseHeaders"]) == NAMES | {VISIT}
        assert "trustForwardHeader" not in each
    for router in traefik["routers"].values():
        assert set(router.get("middlewares", ())) <= set(traefik["middlewares"])
        assert router["service"] in traefik["services"]
    assert all(set(traefik["routers"][name]["middlewares"]) & set(asked) for name in ("invoices", "application"))
