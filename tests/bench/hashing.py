"""`python -m tests.bench.hashing THREADS SECONDS`: argon2-cffi alone, verifying as fast as it can. Prints hashes a second and their CPU."""

import json
import sys
import threading
import time

from argon2 import PasswordHasher

from tenants.settings import Settings

COST: int = Settings.model_fields["argon2_time_cost"].default
MEMORY: int = Settings.model_fields["argon2_memory_kib"].default


def main(threads: int, seconds: float) -> None:
    """As many threads as hash at once in the service."""
    argon2 = PasswordHasher(time_cost=COST, memory_cost=MEMORY, parallelism=1)
    known = argon2.hash("correct horse battery staple")
    done = [0] * threads
    until = time.monotonic() + seconds

    def verify(number: int) -> None:
        while time.monotonic() < until:
            argon2.verify(known, "correct horse battery staple")
            done[number] += 1

    began, cpu = time.monotonic(), time.process_time()
    running = [threading.Thread(target=verify, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    took, used = time.monotonic() - began, time.process_time() - cpu
    sys.stdout.write(json.dumps({"per_second": sum(done) / took, "cpu_ms": used / sum(done) * 1000}))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
