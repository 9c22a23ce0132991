import ast
import datetime as dt
import re
from typing import Any

import pytest

from b3 import settings
from b3.airflow.run_metrics import NAMESPACE
from b3.calendar import publication
from tests.infra.templates import INFRA, LAKE, MWAA, load, strings

ROOT = INFRA.parent


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return load(MWAA)


@pytest.fixture(scope="module")
def environment(template) -> dict[str, Any]:
    return template["Resources"]["Environment"]["Properties"]


class TestTheEnvironment:
    def test_is_of_a_version_that_this_repository_is_tested_against_by_default_the_pinned_one(self, template):
        version = template["Parameters"]["AirflowVersion"]
        pinned = re.search(r"^apache-airflow==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)

        assert version["AllowedValues"] == ["3.0.6", "3.2.1", "3.3.1"]
        assert pinned
        assert version["Default"] == pinned[1]

    def test_gives_the_tasks_every_setting_they_read(self, environment):
        options = environment["AirflowConfigurationOptions"]
        special = {"b3.indexes": "IBOV", "b3.publication_deadline_hours": "30", "b3.published_at": "20:15"}
        special |= {"b3.register": "tasks", "b3.btc_symbols": "BTCUSDT", "b3.btc_provider": "coinbase"}
        given = {
            f"AIRFLOW__{name.replace('.', '__').upper()}": special.get(name, f"value of {name}") for name in options
        }
        given["AIRFLOW__B3__ARRIVALS_WAIT"] = "no"
        names = {
            node.args[0].value
            for node in ast.walk(ast.parse((ROOT / "plugins" / "b3" / "settings.py").read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setting"
            and isinstance(node.args[0], ast.Constant)
        }  # fmt: skip
        read = settings.read(given)

        assert {name.removeprefix("b3.").upper() for name in options if name.startswith("b3.")} == names
        assert (read.lake_bucket, read.alert_topic_arn) == ("value of b3.lake_bucket", "value of b3.alert_topic_arn")
        assert read.publication_deadline_hours == 30
        bitcoin = settings.bitcoin(given)
        assert (bitcoin.symbols, bitcoin.provider) == (("BTCUSDT",), "coinbase")
        assert settings.published_at(given) == dt.time(20, 15)
        assert not settings.arrivals_wait(given)

    def test_runs_and_waits_as_the_dags_do_by_themselves(self, template):
        hours, at = (template["Parameters"][name] for name in ("PublicationDeadlineHours", "PublishedAt"))

        assert hours["Default"] == publication.DEADLINE_HOURS
        assert hours["MaxValue"] == publication.LONGEST_DEADLINE_HOURS
        assert dt.time.fromisoformat(at["Default"]) == publication.PUBLISHED_AT

    def test_tries_failed_tasks_again(self, environment, template):
        assert environment["AirflowConfigurationOptions"]["core.default_task_retries"] == {"Fn::Sub": "${TaskRetries}"}
        assert template["Parameters"]["TaskRetries"]["Default"] == 2

    def test_takes_its_code_by_version_from_where_the_deploy_puts_it(self, environment):
        assert environment["DagS3Path"] == "dags"
        assert (environment["RequirementsS3Path"], environment["RequirementsS3ObjectVersion"]) == (
            "requirements.txt",
            {"Ref": "RequirementsVersion"},
        )
        assert (environment["PluginsS3Path"], environment["PluginsS3ObjectVersion"]) == (
            "plugins.zip",
            {"Ref": "PluginsVersion"},
        )

    def test_keeps_every_log_and_forgets_it(self, environment, template):
        logs = {
            name.removesuffix("Logs").lower(): options["Enabled"]
            for name, options in environment["LoggingConfiguration"].items()
        }
        groups = [
            resource["Properties"]
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::Logs::LogGroup"
        ]

        assert set(logs.values()) == {True}
        assert {group["LogGroupName"]["Fn::Sub"].rpartition("-")[2].lower() for group in groups} == set(logs)
        assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups)

    def test_lies_in_private_subnets_of_two_zones(self, environment, template):
        subnets = [
            template["Resources"][subnet["Ref"]]["Properties"]
            for subnet in environment["NetworkConfiguration"]["SubnetIds"]
        ]

        assert [subnet["AvailabilityZone"]["Fn::If"][1]["Fn::Select"][0] for subnet in subnets] == [0, 1]
        assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)

    def test_takes_the_zones_that_a_deploy_chose_for_both_subnets_of_each(self, template):
        """With another zone for the NAT gateway, traffic between zones would be paid for."""
        zones = {
            name: resource["Properties"]["AvailabilityZone"]["Fn::If"][2]["Ref"]
            for name, resource in template["Resources"].items()
            if resource["Type"] == "AWS::EC2::Subnet"
        }

        assert zones == {
            "PublicSubnetA": "ZoneA", "PublicSubnetB": "ZoneB", "PrivateSubnetA": "ZoneA", "PrivateSubnetB": "ZoneB",
        }  # fmt: skip

    def test_lets_running_tasks_end_when_it_is_updated(self, environment):
        assert environment["WorkerReplacementStrategy"] == "GRACEFUL"

    def test_runs_as_many_tasks_at_once_as_a_small_worker_has_memory_for(self, environment, template):
        assert environment["AirflowConfigurationOptions"]["celery.worker_autoscale"] == {
            "Fn::If": ["Small", "3,1", {"Ref": "AWS::NoValue"}]
        }
        assert template["Conditions"]["Small"] == {"Fn::Equals": [{"Ref": "EnvironmentClass"}, "mw1.small"]}

    def test_of_the_micro_class_has_one_worker_and_mwaas_own_numbers_of_the_rest(self, environment, template):
        """MWAA refuses other numbers for that class."""
        assert "mw1.micro" in template["Parameters"]["EnvironmentClass"]["AllowedValues"]
        assert environment["MinWorkers"] == 1
        assert environment["MaxWorkers"] == {"Fn::If": ["Micro", 1, {"Ref": "MaxWorkers"}]}
        assert not {"Schedulers", "MinWebservers", "MaxWebservers"} & environment.keys()

    def test_may_look_for_the_logs_of_triggers(self, template):
        allowed = {
            action
            for statement in template["Resources"]["EnvironmentPolicy"]["Properties"]["PolicyDocument"]["Statement"]
            for action in statement["Action"]
        }

        assert {"logs:DescribeLogStreams", "logs:GetLogEvents"} <= allowed

    def test_waits_for_what_it_cannot_start_without(self, template):
        routes = {
            name
            for name, resource in template["Resources"].items()
            if resource["Type"] in ("AWS::EC2::Route", "AWS::EC2::SubnetRouteTableAssociation")
        }

        assert len(routes) == 7
        assert {"EnvironmentPolicy", "SecurityGroupOwnTraffic", *routes} < set(
            template["Resources"]["Environment"]["DependsOn"]
        )


class TestItsAlarms:
    def test_a_session_that_is_missing_raises_an_alarm_and_so_does_silence(self, template):
        alarm, topic, database = (
            template["Resources"]["LateSession"]["Properties"],
            *({"Fn::ImportValue": {"Fn::Sub": f"${{LakeStack}}-{name}"}} for name in ("AlertTopicArn", "GlueDatabase")),
        )

        assert (alarm["Namespace"], alarm["MetricName"]) == (NAMESPACE, "sessions_behind")
        assert alarm["Dimensions"] == [{"Name": "Database", "Value": database}]
        assert (alarm["Statistic"], alarm["Threshold"], alarm["TreatMissingData"]) == ("Minimum", 1, "breaching")
        # It comes once a day: one period of two is empty, and no alarm may follow from that.
        assert alarm["Period"] * (alarm["DatapointsToAlarm"] - 1) >= 24 * 60 * 60
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= 7 * 24 * 60 * 60
        assert alarm["AlarmActions"] == alarm["OKActions"] == [topic]

    def test_go_to_the_lakes_topic(self, template):
        alarms = [
            resource["Properties"]
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::CloudWatch::Alarm"
        ]

        assert len(alarms) == 3
        for alarm in alarms:
            assert alarm["AlarmActions"] == [{"Fn::ImportValue": {"Fn::Sub": "${LakeStack}-AlertTopicArn"}}]

    def test_tell_of_failed_runs_of_every_dag_and_not_of_tries_that_are_tried_again(self, template):
        alarm = template["Resources"]["FailedRuns"]["Properties"]
        total, *runs = alarm["Metrics"]
        counted = {run["Id"]: run["MetricStat"] for run in runs}

        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
        assert total["Expression"] == " + ".join(f"FILL({name}, 0)" for name in counted)
        assert not any(run["ReturnData"] for run in runs)
        dags = [{one["Name"]: one["Value"] for one in stat["Metric"]["Dimensions"]}["DAG"] for stat in counted.values()]
        assert sorted(dags) == sorted(path.stem for path in (ROOT / "dags").glob("*.py"))
        # MWAA reports how long a failed run took, once for each.
        assert {(stat["Metric"]["MetricName"], stat["Stat"]) for stat in counted.values()} == {
            ("DAGDurationFailed", "SampleCount")
        }


class TestItsImports:
    def test_are_exports_of_the_lakes_stack(self, template):
        exported = {
            output["Export"]["Name"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
            for output in load(LAKE)["Outputs"].values()
        }
        imported = {text.removeprefix("${LakeStack}-") for text in strings(template) if text.startswith("${LakeStack}")}

        assert imported
        assert imported <= exported
