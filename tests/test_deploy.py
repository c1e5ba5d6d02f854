"""What deploy/ ships keeps its rules: the image, the containers, the settings, the units, the proxy."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import yaml

from service.embedded import free_port
from tenants.settings import PREFIX, Settings, load_settings

TOP = Path(__file__).resolve().parent.parent
DEPLOY = TOP / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
KNOWN = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
# `portillon up` on a developer's machine sets these; an operator never does.
OF_UP_ALONE = {"PORTILLON_DATA_DIR", "PORTILLON_DEMO", "PORTILLON_MAILBOX_DIR"}


def dockerfile() -> list[tuple[str, str]]:
    lines = [line for line in (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines()) if name]


def test_the_image_has_a_named_base_and_no_root() -> None:
    bases = [rest.split()[0] for name, rest in dockerfile() if name == "FROM"]
    assert bases == ["python:3.13-slim", "python:3.13-slim"]
    last_stage = dockerfile()[-1 - [name for name, _ in reversed(dockerfile())].index("FROM") :]
    assert [rest for name, rest in last_stage if name == "USER"] == ["10001:10001"]


def test_the_image_installs_by_hash_and_from_wheels() -> None:
    installs = [rest for name, rest in dockerfile() if name == "RUN" and "pip install" in rest]
    assert len(installs) == 2
    assert "--require-hashes --only-binary :all: --no-deps --requirement requirements.lock" in installs[0]
    assert "--no-index --no-deps --no-build-isolation" in installs[1]


def test_the_image_takes_files_that_exist_and_passes_signals_on() -> None:
    sources = [part for name, rest in dockerfile() if name == "COPY" and "--from" not in rest for part in rest.split()[:-1]]
    assert [source for source in sources if not (TOP / source).exists()] == []
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert {f"!{source}" for source in sources} <= set(let_in)
    said = dict(dockerfile())
    # The shell form would put a shell between Docker and Portillon, which keeps SIGTERM to itself.
    assert json.loads(said["ENTRYPOINT"]) == ["portillon"]
    assert "/livez" in said["HEALTHCHECK"]


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return read


def test_compose_names_only_settings_that_exist() -> None:
    given = {name for service in compose()["services"].values() for name in service.get("environment", {})}
    ours = {name for name in given if name.startswith(PREFIX)}
    assert {name.removesuffix("_FILE") for name in ours} - KNOWN == set()
    secret = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL", "SMTP_URL", "SECRET_KEY")
    assert {f"{PREFIX}{name}_FILE" for name in secret} <= ours


def test_compose_refers_to_nothing_that_is_missing() -> None:
    whole = compose()
    services = whole["services"]
    assert set(services) == {"postgres", "valkey", "migrate", "serve-1", "serve-2", "worker"}
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert set(service["secrets"]) <= set(whole["secrets"])
        assert set(service["networks"]) <= set(whole["networks"])
        files = {value for name, value in service.get("environment", {}).items() if name.endswith("_FILE")}
        assert files <= {f"/run/secrets/{secret}" for secret in service["secrets"]}
        mounted = [volume.split(":")[0] for volume in service.get("volumes", [])]
        assert all((DEPLOY / source).exists() if source.startswith(".") else source in whole["volumes"] for source in mounted)


def test_compose_services_are_checked_restarted_and_closed_in() -> None:
    services = compose()["services"]
    assert {name for name, service in services.items() if service["restart"] != "unless-stopped"} == {"migrate"}
    assert {name for name, service in services.items() if "test" not in service["healthcheck"]} == {"migrate", "worker"}
    assert all(re.fullmatch(r"[\w./-]+:(?!latest)[\w.-]+", service["image"]) for service in services.values())
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:8001:8000", "127.0.0.1:8002:8000"]
    assert all(services[name]["networks"] == ["inside"] for name in ("postgres", "valkey", "migrate"))
    assert [name for name, service in services.items() if "migration_database_url" in service["secrets"]] == ["migrate"]


def test_secrets_are_made_once_and_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = shutil.copy(DEPLOY / "make-secrets.sh", tmp_path)

    def made() -> dict[str, str]:
        subprocess.run(["sh", script], input=b"smtp://us:er@mail.example.com:587\n", check=True, capture_output=True)
        return {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "secrets").iterdir()}

    first = made()
    assert set(first) == set(compose()["secrets"])
    assert made() == first
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert len(set(first.values())) == len(first)
    forget_settings(monkeypatch)
    for name, value in compose()["services"]["migrate"]["environment"].items():
        monkeypatch.setenv(name, value.replace("/run/secrets", str(tmp_path / "secrets")))
    settings = load_settings(public_url="https://portillon.example.com")
    assert settings.secret_key.get_secret_value() == first["secret_key"]


def example() -> dict[str, str]:
    text = (DEPLOY / ".env.example").read_text(encoding="utf-8")
    return {name: value.strip('"') for name, value in re.findall(rf"^(?:# )?({PREFIX}\w+)=(.*)$", text, re.MULTILINE)}


def test_the_example_names_every_setting_of_an_operator_and_no_other() -> None:
    assert set(example()) == KNOWN - OF_UP_ALONE


def test_the_example_shows_the_values_that_hold_without_it() -> None:
    commented = re.findall(rf"^# {PREFIX}(\w+)=(.*)$", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    fields = {name.upper(): known for name, known in Settings.model_fields.items()}
    shown = {name: value for name, value in commented if fields[name].default is not None and not fields[name].is_required()}
    assert shown == {name: str(fields[name].default) for name in shown}


def test_the_example_filled_in_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)
    for name, value in example().items():
        monkeypatch.setenv(name, value or "k" * 32)
    assert load_settings().mail_from == "Portillon <portillon@example.com>"


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_the_units_are_understood_and_closed_in(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine")
    for unit in UNITS:
        # The command is not installed where tests run.
        text = unit.read_text(encoding="utf-8").replace("/opt/portillon/.venv/bin/portillon", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    paths = [str(tmp_path / unit.name) for unit in UNITS]
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True, check=False)
    complaints = [line for line in verified.stderr.splitlines() if str(tmp_path) in line or "portillon" in line]
    assert (verified.returncode, complaints) == (0, [])
    exposure = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager"]
    for path in paths:
        # 20 stands for 2.0 of 10, the end of what systemd calls good.
        judged = subprocess.run([*exposure, path], capture_output=True, text=True, check=False)
        assert judged.returncode == 0, judged.stdout[-400:] + judged.stderr


def test_the_units_name_only_commands_and_settings_that_exist() -> None:
    text = "\n".join(unit.read_text(encoding="utf-8") for unit in UNITS)
    assert re.findall(r"^ExecStart=\S+ (.+)$", text, re.MULTILINE) == ["migrate", "serve", "worker"]
    assert set(re.findall(rf"{PREFIX}[A-Z_]+", text)) <= KNOWN


class Echo(BaseHTTPRequestHandler):
    """Stands where an API process would: answers with the headers that reached it."""

    def do_GET(self) -> None:
        body = json.dumps(dict(self.headers.items())).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the library's name

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[httpx.Client]:
    """nginx by our file, on other ports and with a certificate made here; the process behind :8001 lives, :8002 is dead."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not on this machine")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    living = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=living.serve_forever, daemon=True).start()
    port = free_port()
    arguments = nginx_on(tmp_path, {"443": port, "80": free_port(), "8001": living.server_port, "8002": free_port()})
    tried = subprocess.run([*arguments, "-t", "-q"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
    nginx = subprocess.Popen([*arguments, "-g", "daemon off;"])
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    try:
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trusted) as client:
            wait_for(lambda: listens(port))
            yield client
    finally:
        nginx.terminate()
        nginx.wait(10)
        living.shutdown()
        living.server_close()


def nginx_on(folder: Path, ports: dict[str, int], *, name: str = "portillon.conf") -> list[str]:
    """Write the configuration of that name for these ports; the command that reads it."""
    text = (DEPLOY / "nginx" / name).read_text(encoding="utf-8")
    text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"listen (443|80)\b", lambda found: f"listen 127.0.0.1:{ports[found[1]]}", text)
    text = re.sub(r"127\.0\.0\.1:(8001|8002|9000)", lambda found: f"127.0.0.1:{ports[found[1]]}", text)
    text = re.sub(r"/etc/ssl/portillon/\w+\.pem", str(folder / "both.pem"), text).replace("/var/log/nginx", str(folder))
    own = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"pid {folder}/pid;\nevents {{}}\nhttp {{\n{own}{text}\n}}\n", encoding="utf-8")
    return ["nginx", "-p", str(folder), "-e", str(folder / "start.log"), "-c", str(folder / "nginx.conf")]


def wait_for(happened: Callable[[], bool]) -> None:
    """10 seconds at most."""
    give_up = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def test_the_proxy_speaks_for_itself_about_the_client(proxy: httpx.Client) -> None:
    lies = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=6.6.6.6",
    }
    for path in ("/api/v1/session", "/api/v1/session/events", "/readyz"):
        arrived = proxy.get(path, headers={**lies, "X-Real-IP": "6.6.6.6"}).json()
        about = {name: value for name, value in arrived.items() if name.startswith(("X-", "Forwarded"))}
        assert about == {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "localhost"}


def test_the_proxy_goes_round_a_dead_process_and_stops_large_bodies(proxy: httpx.Client) -> None:
    assert [proxy.post("/api/v1/login", content=b"x" * 1000).status_code for _ in range(6)] == [200] * 6
    assert proxy.post("/api/v1/login", content=b"x" * (1024 * 1024 + 1)).status_code == 413


def test_the_proxy_writes_no_token_into_its_logs(proxy: httpx.Client, tmp_path: Path) -> None:
    proxy.get(
        "/invitation", params={"token": "never-in-a-log"}, headers={"Referer": "https://localhost/reset?token=never-in-a-log"}
    )
    # A line is written after its answer is sent.
    wait_for(lambda: (tmp_path / "portillon.log").stat().st_size > 0)
    logs = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.log")}
    assert json.loads(logs["portillon.log"])["path"] == "/invitation"
    assert "never-in-a-log" not in "".join(logs.values())
