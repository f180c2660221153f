"""How a database came to its present form: one revision a change, run in order by Alembic."""
