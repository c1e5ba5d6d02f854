"""The test suite: real PostgreSQL, Valkey, SMTP and browser."""
