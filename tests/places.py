"""Where things lie in the checkout."""

import os
from pathlib import Path

from infra import checkout
from infra.checkout import ROOT

PLUGINS = ROOT / "plugins"
SQL = checkout.sql()
# Files of B3's own, on machines that have them.
REAL_FILES = Path(os.environ.get("B3_REAL_FILES", ROOT.parent / "shared" / "b3"))
