"""The console's pages, with and without a browser."""
