"""AWS's models of its services, which clients are made of: read once by a process.

Each session of boto3 reads them anew, which takes longer than most requests to a server on this machine. Many tasks
of a local run share one process, each with sessions of its own.
"""

import functools

import botocore.session


def read_once() -> None:
    """Let all sessions of this process share what one has read."""
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
