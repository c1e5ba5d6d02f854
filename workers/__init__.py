"""The mail edge: empties the outbox."""
