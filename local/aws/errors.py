"""Errors in the shapes that AWS clients understand."""


class AwsError(Exception):
    """A service error: `code` is the AWS exception name, `message` what the client shows, `status` the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def entity_not_found(message: str) -> AwsError:
    """Glue's answer for a database, table, job, run or crawler that is not there."""
    return AwsError("EntityNotFoundException", message)


def invalid_input(message: str) -> AwsError:
    """Glue's answer for a request that cannot be carried out as written."""
    return AwsError("InvalidInputException", message)
