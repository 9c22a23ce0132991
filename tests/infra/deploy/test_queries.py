import json

import pytest

from infra.checkout import ROOT
from infra.deploy import queries
from infra.deploy.errors import DeployError
from tests.infra.deploy.stack_names import stack_names


@pytest.fixture
def sql(tmp_path):
    (tmp_path / "analysis").mkdir()
    (tmp_path / "views").mkdir()
    return tmp_path


class TestTemplate:
    def test_has_a_query_of_each_file(self, sql):
        (sql / "analysis/top_stocks.sql").write_text("-- The ten\n--  largest.\nSELECT 1\n\n")
        (sql / "views/latest.sql").write_text("CREATE OR REPLACE VIEW latest AS SELECT 1")

        resources = queries.template(sql)["Resources"]

        assert set(resources) == {"AnalysisTopStocks", "ViewsLatest"}
        assert resources["AnalysisTopStocks"]["Properties"] == {
            "Name": "top_stocks",
            "Description": "The ten largest.",
            "Database": {"Ref": "Database"},
            "WorkGroup": {"Ref": "Workgroup"},
            "QueryString": "-- The ten\n--  largest.\nSELECT 1\n",
        }

    def test_is_none_where_there_is_no_file(self, sql):
        assert queries.template(sql) is None

    def test_refuses_a_file_that_asks_to_be_rendered(self, sql):
        (sql / "analysis/day.sql").write_text("SELECT '{{ ds }}'")

        with pytest.raises(DeployError, match=r"day\.sql to run as it is, found a placeholder"):
            queries.template(sql)

    def test_of_the_repository_has_all_its_analyses_and_views(self):
        files = [path.stem for folder in queries.FOLDERS for path in (ROOT / "include/sql" / folder).glob("*.sql")]

        made = queries.template(ROOT / "include/sql")

        assert files
        assert sorted(item["Properties"]["Name"] for item in made["Resources"].values()) == sorted(files)


class TestOnTheLocalAws:
    """What CloudFormation does with a saved query, which the local AWS does as well."""

    @pytest.fixture
    def apply(self, account):
        def run(stack: str, **properties: str) -> str:
            template = {"Resources": {"Query": {"Type": "AWS::Athena::NamedQuery", "Properties": properties}}}
            request = {"StackName": stack, "TemplateBody": json.dumps(template)}
            call, waiter = (
                (account.cloudformation.update_stack, "stack_update_complete")
                if stack in stack_names(account)
                else (account.cloudformation.create_stack, "stack_create_complete")
            )
            call(**request)
            account.cloudformation.get_waiter(waiter).wait(StackName=stack, WaiterConfig={"Delay": 1})
            resources = account.cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
            return resources[0]["PhysicalResourceId"]

        return run

    def test_a_changed_text_keeps_the_query(self, account, apply):
        first = apply("query-text", Name="q", Database="d", QueryString="SELECT 1")
        second = apply("query-text", Name="q", Database="d", QueryString="SELECT 2")

        assert first == second
        assert account.athena.get_named_query(NamedQueryId=first)["NamedQuery"]["QueryString"] == "SELECT 2"

    def test_another_database_is_another_query(self, account, apply):
        first = apply("query-database", Name="q", Database="d", QueryString="SELECT 1")
        second = apply("query-database", Name="q", Database="e", QueryString="SELECT 1")

        assert first != second
        with pytest.raises(account.athena.exceptions.InvalidRequestException):
            account.athena.get_named_query(NamedQueryId=first)

    def test_goes_with_its_stack(self, account, apply):
        made = apply("query-gone", Name="q", Database="d", QueryString="SELECT 1")
        account.cloudformation.delete_stack(StackName="query-gone")
        account.cloudformation.get_waiter("stack_delete_complete").wait(
            StackName="query-gone", WaiterConfig={"Delay": 1}
        )

        with pytest.raises(account.athena.exceptions.InvalidRequestException):
            account.athena.get_named_query(NamedQueryId=made)

    def test_in_a_workgroup_that_is_not_there_it_fails(self, account):
        template = {
            "Resources": {
                "Query": {
                    "Type": "AWS::Athena::NamedQuery",
                    "Properties": {"Database": "d", "QueryString": "SELECT 1", "WorkGroup": "nowhere"},
                }
            }
        }
        account.cloudformation.create_stack(StackName="query-nowhere", TemplateBody=json.dumps(template))

        with pytest.raises(Exception, match="ROLLBACK_COMPLETE"):
            account.cloudformation.get_waiter("stack_create_complete").wait(
                StackName="query-nowhere", WaiterConfig={"Delay": 1}
            )
