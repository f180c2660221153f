"""The way in: the `schakel` runner and the wiring of settings and parts. Decides nothing."""

GARBAGE = (200_000, 20, 20)
"""How seldom a command looks for garbage: among what its imports made, which stays, that takes a fifth of the time."""
