"""`python -m workers`: the worker process."""

import sys

from tenants.settings import SettingsError, load_settings
from workers.main import run_worker


def main() -> None:
    """Run until SIGTERM. Wrong settings are told on standard error, with exit status 2."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    run_worker(settings)


if __name__ == "__main__":
    main()
