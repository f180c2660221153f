"""Letters and their delivery: what they say, the outbox protocol, the way to a mail server."""
