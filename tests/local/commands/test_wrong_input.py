"""What no command can do anything with is told in a sentence, with status 2, before anything starts."""

import importlib

import pytest

BY_EXCHANGE = {
    "run": [], "history": ["--from", "2024"], "rebuild": ["--from", "2024"], "verify": [], "reset": [], "ui": [],
    "diff": ["--date", "2024-03-14"], "report": [], "query": ["--sql", "SELECT 1"], "airflow": ["--args", "version"],
    "connect": [], "doctor": [], "visual": [],
    "bitcoin": [], "report_bitcoin": [],
}  # fmt: skip


def refusal(capsys, name, *arguments):
    """Return what a command says as it refuses its arguments."""
    assert importlib.import_module(f"local.commands.{name}").main(list(arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix(f"{name.replace('_', '-')}: ")


@pytest.mark.parametrize("name", BY_EXCHANGE)
def test_an_exchange_that_is_none(capsys, name):
    said = refusal(capsys, name, *BY_EXCHANGE[name], "--exchange", "nowhere")

    assert said == "expected EXCHANGE=auto, live, simulated or a folder of B3's files, found 'nowhere'"


@pytest.mark.parametrize("name", ["run", "diff", "report", "visual", "bitcoin", "report_bitcoin"])
def test_a_date_that_is_none(capsys, name):
    said = refusal(capsys, name, "--date", "14/03/2024", "--exchange", "simulated")

    assert said == "expected DATE=YYYY-MM-DD, such as 2024-03-14; found DATE=14/03/2024"


@pytest.mark.parametrize("arguments", [["run", "--date", "2024-03-14"], ["history", "--from", "2024"]])
def test_a_folder_without_a_file_of_quotes(tmp_path, capsys, arguments):
    said = refusal(capsys, *arguments, "--exchange", str(tmp_path))

    assert said.endswith(f"as COTAHIST_D14032024.ZIP or COTAHIST_A2024.ZIP; found none in {tmp_path}")


@pytest.mark.parametrize("port", ["abc", "-1", "65536", "²"])
def test_a_port_that_is_none(monkeypatch, capsys, port):
    monkeypatch.setenv("B3_UI_PORT", port)

    said = refusal(capsys, "ui", "--exchange", "simulated")

    assert said == f"expected B3_UI_PORT as the number of a port, up to 65535; found {port!r}"


def test_the_words_of_an_open_quote(capsys):
    said = refusal(capsys, "airflow", "--args", "dags 'list", "--exchange", "simulated")

    assert said.startswith("expected ARGS= as the words of a command in a shell, found")
