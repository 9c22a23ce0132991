import pytest

from infra.deploy import zones
from infra.deploy.errors import DeployError


class Region:
    """The zones of a region as EC2 answers them."""

    def __init__(self, **ids: str) -> None:
        self._ids = ids

    def describe_availability_zones(self, Filters: list) -> dict:  # noqa: N803 - boto3's own name
        return {"AvailabilityZones": [{"ZoneName": name, "ZoneId": number} for name, number in self._ids.items()]}


VIRGINIA = Region(**{"us-east-1a": "use1-az3", "us-east-1c": "use1-az2", "us-east-1b": "use1-az1"})


class TestTheZonesOfANewEnvironment:
    def test_are_the_first_that_fargate_is_in(self):
        """A zone's name is another zone in each account: here the first one is the one that Fargate is not in."""
        assert zones.choose(VIRGINIA, {}) == {"ZoneA": "us-east-1b", "ZoneB": "us-east-1c"}

    def test_are_those_that_are_given(self):
        given = {"ZoneA": "us-east-1c", "ZoneB": "us-east-1b", "Database": "b3"}

        assert zones.choose(VIRGINIA, given) == {"ZoneA": "us-east-1c", "ZoneB": "us-east-1b"}

    def test_are_two_where_one_is_given(self):
        assert zones.choose(VIRGINIA, {"ZoneB": "us-east-1b"}) == {"ZoneA": "us-east-1c", "ZoneB": "us-east-1b"}

    def test_are_refused_where_fargate_is_not(self):
        with pytest.raises(DeployError, match=r"expected ZoneA=us-east-1a .*found use1-az3, which Fargate is not in"):
            zones.choose(VIRGINIA, {"ZoneA": "us-east-1a"})

    def test_are_refused_where_there_is_none_of_that_name(self):
        with pytest.raises(DeployError, match=r"expected ZoneB=sa-east-1a .*found no such zone"):
            zones.choose(VIRGINIA, {"ZoneB": "sa-east-1a"})

    def test_are_refused_where_both_are_one(self):
        with pytest.raises(DeployError, match="expected two different zones"):
            zones.choose(VIRGINIA, {"ZoneA": "us-east-1b", "ZoneB": "us-east-1b"})

    def test_are_refused_in_a_region_with_too_few(self):
        with pytest.raises(DeployError, match="expected two different zones"):
            zones.choose(Region(**{"us-west-1a": "usw1-az1", "us-west-1b": "usw1-az2"}), {})


def test_a_deploy_chooses_them_once_and_keeps_them(deploy, account, options):
    def told() -> dict[str, str]:
        (stack,) = account.cloudformation.describe_stacks(StackName=options.mwaa_stack)["Stacks"]
        return {item["ParameterKey"]: item["ParameterValue"] for item in stack["Parameters"]}

    deploy()
    chosen = told()
    (options.root / "plugins/b3/lake/layout.py").write_text("# another\n")
    deploy()

    answer = account.ec2.describe_availability_zones()["AvailabilityZones"]
    fit = sorted(zone["ZoneName"] for zone in answer if zone["ZoneId"] not in zones.WITHOUT_FARGATE)
    assert [chosen["ZoneA"], chosen["ZoneB"]] == fit[:2]
    assert [told()["ZoneA"], told()["ZoneB"]] == fit[:2]
