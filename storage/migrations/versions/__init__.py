"""One module a schema, named by its number in `storage.versions.REVISIONS`. A released one never changes."""
