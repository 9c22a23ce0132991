"""Where things lie in the checkout."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ROOT / "plugins"
SQL = ROOT / "include" / "sql"
# Files of B3's own, on machines that have them.
REAL_FILES = Path(os.environ.get("B3_REAL_FILES", ROOT.parent / "shared" / "b3"))
