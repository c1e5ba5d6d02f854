"""`python -m tests.bench.prober PORT SECONDS A_SECOND`: one person at work with a stopwatch. Reads a token, prints milliseconds as JSON."""

import http.client
import json
import sys
import time


def main(port: int, seconds: float, per_second: float) -> None:
    """One request after another on one connection, not more than `per_second`."""
    token = sys.stdin.readline().strip()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found: list[float] = []
    until = following = time.monotonic()
    until += seconds
    while (now := time.monotonic()) < until:
        if now < following:
            time.sleep(following - now)
        following = max(following + 1 / per_second, time.monotonic())
        began = time.perf_counter()
        connection.request("GET", "/api/v1/session", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        found.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise SystemExit(f"{answer.status} instead of 200")
    connection.close()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
