"""B3, and a lake on the local AWS, as the tests of the plugins have them."""

from tests.plugins.b3.conftest import exchange, hook_to, lake, s3

__all__ = ["exchange", "hook_to", "lake", "s3"]
