"""Processes that commands start: how they begin, how they end, and the locks between them. Standard library only."""
