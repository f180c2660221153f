"""The way in: the `schakel` runner and the wiring of settings and parts. Decides nothing."""
