"""What `make inbox` refuses before anything starts; tests/e2e/test_arrivals.py has the rest."""

import pytest

from local.commands import inbox


@pytest.mark.parametrize("file", ["", "no such file", "/"])
def test_what_is_no_file_is_told(file, capsys):
    assert inbox.main(["--file", file]) == 2

    assert capsys.readouterr().err == f"inbox: expected FILE= as the path of a COTAHIST file, found {file!r}\n"


def test_a_folder_of_files_is_no_lake(tmp_path, capsys):
    path = tmp_path / "COTAHIST_D30042020.ZIP"
    path.write_bytes(b"-")

    assert inbox.main(["--file", str(path), "--exchange", str(tmp_path)]) == 2

    assert "expected EXCHANGE=simulated or none" in capsys.readouterr().err
