"""`make clean`: removes the local lakes and the environments, unless something still runs on them."""

from __future__ import annotations

import shutil
import sys

from infra.checkout import ROOT
from infra.deploy import package
from local.lake import remove
from local.lake.home import REAL, SIMULATED, base, of_stacks


def main() -> int:
    """Remove everything that the other commands made; what else lies in B3_LOCAL_HOME is left alone."""
    lakes = [*(base() / data for data in (REAL, SIMULATED)), *sorted(of_stacks().glob("*"))]
    remove.wait_for_aws(lakes)
    used = remove.in_use(lakes)
    if used:
        print(f"clean: a command still uses {used}: end it, then try again", file=sys.stderr)
        return 1
    for lake in remove.remove(lakes):
        print(f"clean: {lake}")
    bench = base() / "bench"
    caches = [ROOT / name for name in (".mypy_cache", ".pytest_cache", ".ruff_cache")]
    made = [ROOT / package.FOLDER.name, base() / "last", *bench.glob("COTAHIST_A*"), *bench.glob("b3-bench-*")]
    for path in (*made, *sorted(ROOT.glob(".venv*")), *caches):
        if path.is_dir():
            print(f"clean: {path}")
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for folder in (bench, of_stacks(), base()):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
