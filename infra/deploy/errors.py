"""What stops a deploy."""


class DeployError(Exception):
    """Says what was expected, what was found, and what to do next."""
