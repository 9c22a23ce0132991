"""Runs a command, and prints the seconds it took and the most memory that it held, in MB."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

if __name__ == "__main__":
    began = time.perf_counter()
    status = subprocess.run(sys.argv[1:], check=False).returncode
    print(f"elapsed {time.perf_counter() - began}")
    print(f"megabytes {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000}")
    raise SystemExit(status)
