"""The frame of the faults itself: none is declared without being shown."""

import pytest

from tests.faults import document
from tests.faults.fault import Fault, Shown, declared, shows

pytest_plugins = ["pytester"]

FAULT = Fault("a fault", "expected status 200; found … 500", "Nothing.")
PORT = "SourceError: http://127.0.0.1:4566: expected status 200; found status 500"


@pytest.fixture
def shown() -> Shown:
    return Shown(FAULT)


@pytest.mark.parametrize("said", [PORT, SystemError("expected status 200; found a 500")])
def test_what_is_declared_is_found_in_what_is_said(shown, said):
    shown.is_seen(said)


def test_the_notes_of_an_error_are_said_too(shown):
    error = ValueError("a")
    error.add_note(PORT)

    shown.is_seen(error)


@pytest.mark.parametrize("said", ["", "found 500, expected status 200; found", "expected status 200; found 404"])
def test_anything_else_fails(shown, said):
    with pytest.raises(AssertionError):
        shown.is_seen(said)


def test_a_fault_that_nobody_asked_about_fails_its_test(shown):
    with pytest.raises(AssertionError, match="did not ask is_left and is_seen"):
        shown.check()
    shown.is_seen(PORT)
    with pytest.raises(AssertionError, match="did not ask is_left of"):
        shown.check()
    with pytest.raises(AssertionError):
        shown.is_left([], ["raw/…"])
    shown.is_left([], [])
    shown.check()


OF_A_TEST = """
from tests.faults.fault import Fault, shows

@shows(Fault("shown", "a message", "nothing"), Fault("not shown", "a message", "nothing"))
def test_it(fault):
    if fault.fault.what == "shown":
        fault.is_seen("a message")
        fault.is_left([], [])
"""


def test_a_test_that_does_not_show_its_fault_fails(pytester):
    pytester.makeconftest("from tests.faults.conftest import fault, pytest_pyfunc_call")
    pytester.makepyfile(OF_A_TEST)

    ran = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    ran.assert_outcomes(passed=1, failed=1)
    ran.stdout.fnmatch_lines(["*did not ask is_left and is_seen of its fault*"])


@shows(FAULT)
def test_its_test_has_it_as_an_argument(fault):
    assert fault.fault is FAULT
    with pytest.raises(AssertionError):
        fault.check()
    fault.is_seen(PORT)
    fault.is_left(1, 1)


@pytest.mark.parametrize("group", document.GROUPS)
def test_every_test_of_a_group_declares_its_faults_and_no_two_are_the_same(group):
    tests = list(document.tests_of(group))
    names = [fault.what for fault in document.faults_of(group)]

    assert tests
    assert [test.__name__ for test in tests if not declared(test)] == []
    assert len(names) == len(set(names))


def test_the_document_has_a_row_for_each_fault():
    rows = [line for line in document.text().splitlines() if line.startswith("| ")]

    assert len(rows) == sum(1 + len(document.faults_of(group)) for group in document.GROUPS)


def test_every_folder_is_a_group():
    folders = {path.parent.name for path in document.HERE.glob("*/test_*.py")}

    assert folders == set(document.GROUPS)
