"""The steps from one schema to the next, run in-process by `storage.upgrading` (no Alembic command line)."""
