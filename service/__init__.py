"""The HTTP edge: API, gate, console and command line."""
