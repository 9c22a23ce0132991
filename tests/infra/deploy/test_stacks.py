import pytest

from infra.deploy import stacks
from infra.deploy.errors import DeployError


def template(**resources: str) -> dict:
    return {
        "Parameters": {"Size": {"Type": "String", "Default": "1"}},
        "Resources": {name: {"Type": "A::B::C", "Properties": {"Text": text}} for name, text in resources.items()},
    }


def wanted(content: dict, **parameters: str) -> stacks.Wanted:
    return stacks.Wanted("s", content, parameters, "")


def present(content: dict, status: str = "CREATE_COMPLETE", **parameters: str) -> stacks.Present:
    return stacks.Present("s", status, content, parameters)


class TestPlan:
    def test_makes_a_stack_that_is_not_there(self):
        assert str(stacks.plan(wanted(template(One="a"), Size="2"), None)) == (
            "+ stack s\n    + Size: 2\n    + One (A::B::C)"
        )

    def test_does_nothing_where_template_and_parameters_are_the_same(self):
        assert stacks.plan(wanted(template(One="a"), Size="2"), present(template(One="a"), Size="2")) is None

    def test_names_each_resource_and_parameter_that_differs(self):
        change = stacks.plan(
            wanted(template(Kept="k", New="n", Changed="after"), Size="2"),
            present(template(Kept="k", Changed="before", Gone="g"), Size="1"),
        )

        assert str(change) == (
            "~ stack s\n    ~ Size: 1 -> 2\n    + New (A::B::C)\n    ~ Changed (A::B::C)\n    - Gone (A::B::C)"
        )

    def test_keeps_a_parameter_that_was_given_once(self):
        assert stacks.plan(wanted(template(One="a")), present(template(One="a"), Size="7")) is None

    def test_sees_a_changed_output(self):
        change = stacks.plan(wanted(template(One="a") | {"Outputs": {"O": {"Value": 1}}}), present(template(One="a")))

        assert change.details == ("~ Outputs of the template",)

    @pytest.mark.parametrize("status", stacks.FAILED_TO_CREATE)
    def test_makes_anew_what_was_never_made_whole(self, status):
        change = stacks.plan(wanted(template(One="a")), present(template(One="a"), status))

        assert (change.sign, change.replaces_failed) == ("+", True)

    @pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"])
    def test_refuses_a_state_that_it_cannot_mend(self, status):
        with pytest.raises(DeployError, match=f"found {status}"):
            stacks.plan(wanted(template(One="a")), present(template(One="a"), status))
