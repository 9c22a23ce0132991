"""Athena: Trino SQL over the catalog's tables, run by DuckDB."""
