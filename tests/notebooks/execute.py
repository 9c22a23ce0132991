"""Execute a notebook: `python execute.py NOTEBOOK FOLDER`. Its outputs go to standard output, as the notebook itself.

It runs in the notebook's environment, which has nothing of the repository.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

_CELL_SECONDS = 300


def main(path: str, folder: str) -> None:
    """Print the notebook with its outputs, without what differs by machine or by minute."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=_CELL_SECONDS,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": folder}},
    )
    client.execute()
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.validate(notebook)
    sys.stdout.write(nbformat.writes(notebook) + "\n")


if __name__ == "__main__":
    main(*(str(Path(argument).resolve()) for argument in sys.argv[1:]))
