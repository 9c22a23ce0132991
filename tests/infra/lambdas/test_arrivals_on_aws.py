"""infra/arrivals.yaml on the local AWS: a file that comes starts a run on a stand-in for MWAA, or the Glue job."""

from collections.abc import Iterator

import pytest

from b3.lake import layout
from local.aws import launch
from tests.infra.lambdas.emulated import BUCKET, Aws, Site, serving, wait_for

# The session after Carnival, whose Monday and Tuesday have none.
SESSION = "2026-02-18"
JOB = "print('refined')"


def accept(path: str, body: object) -> tuple[int, object]:
    """Answer as MWAA does where Airflow starts the run."""
    return 200, {"RestApiStatusCode": 200, "RestApiResponse": {"state": "queued"}}


@pytest.fixture
def mwaa() -> Iterator[Site]:
    with serving(accept) as site:
        yield site


@pytest.fixture
def aws(tmp_path) -> Iterator[Aws]:
    with launch.start(tmp_path / "aws") as server:
        yield Aws(server)


class TestWithMwaa:
    def test_a_file_in_the_inbox_starts_one_run_and_what_is_refused_is_asked_for_again(self, aws, mwaa):
        """In one test, since a stack takes seconds."""
        aws.deploy("arrivals")
        # The local AWS has no MWAA.
        given = aws.functions.get_function_configuration(FunctionName="b3-wake")["Environment"]["Variables"]
        elsewhere = {"Variables": {**given, "AWS_ENDPOINT_URL_MWAA": mwaa.url}}
        aws.functions.update_function_configuration(FunctionName="b3-wake", Environment=elsewhere)
        aws.s3.put_object(Bucket=BUCKET, Key="landing/quotes/x.ZIP", Body=b"1")
        aws.s3.put_object(Bucket=BUCKET, Key="inbox/COTAHIST_D18022026.ZIP", Body=b"1")
        wait_for(lambda: mwaa.requests)
        wait_for(lambda: not aws.left("b3-wake-events"))

        ((method, path, body),) = mwaa.requests
        assert (method, path) == ("POST", "/restapi/b3")
        assert (body["Method"], body["Path"]) == ("POST", "/dags/b3_arrivals/dagRuns")
        assert body["Body"] == {"dag_run_id": body["Body"]["dag_run_id"], "logical_date": None}

        aws.sqs.set_queue_attributes(QueueUrl=aws.url("b3-wake-events"), Attributes={"VisibilityTimeout": "0"})
        mwaa.requests.clear()
        mwaa.answer = lambda path, body: accept(path, body) if len(mwaa.requests) > 2 else refuse(500)
        aws.s3.put_object(Bucket=BUCKET, Key="inbox/other.TXT", Body=b"1")
        wait_for(lambda: len(mwaa.requests) >= 3)
        wait_for(lambda: not aws.left("b3-wake-events"))

        assert len({body["Body"]["dag_run_id"] for _, _, body in mwaa.requests}) == 1
        assert aws.messages("b3-lost-wake-events") == []


def refuse(status: int) -> tuple[int, dict[str, object]]:
    """Answer as MWAA does where Airflow refuses with a status."""
    kind = "RestApiServerException" if status >= 500 else "RestApiClientException"
    return 400, {"RestApiStatusCode": status, "headers": {"x-amzn-ErrorType": kind}, "RestApiResponse": {}}


class TestWithoutMwaa:
    def test_raw_quotes_start_the_job_for_their_session(self, aws):
        aws.deploy("arrivals", Starts="job")
        aws.s3.put_object(Bucket=BUCKET, Key="code/job.py", Body=JOB.encode())
        command = {"Name": "glueetl", "PythonVersion": "3", "ScriptLocation": f"s3://{BUCKET}/code/job.py"}
        aws.glue.create_job(Name="b3-refine", Role="arn:aws:iam::000000000000:role/x", Command=command)
        aws.s3.put_object(Bucket=BUCKET, Key="raw/quotes/trade_date=2026-02-17/quotes.parquet", Body=b"1")
        aws.s3.put_object(Bucket=BUCKET, Key="inbox/COTAHIST_D18022026.ZIP", Body=b"1")
        aws.s3.put_object(Bucket=BUCKET, Key=f"raw/quotes/trade_date={SESSION}/quotes.parquet", Body=b"1")
        wait_for(lambda: aws.glue.get_job_runs(JobName="b3-refine")["JobRuns"])
        wait_for(lambda: aws.left("b3-wake-events") == 1)

        (run,) = aws.glue.get_job_runs(JobName="b3-refine")["JobRuns"]
        assert run["Arguments"] == {
            "--sessions": SESSION,
            "--previous_session": "2026-02-13",
            "--source": f"s3://{BUCKET}/{layout.RAW_QUOTES_PREFIX}",
            "--target": f"s3://{BUCKET}/refined/quotes/",
            "--findings": f"s3://{BUCKET}/refined/findings/",
        }
        # The day on which B3 was closed is no session: tried again, and told by the dead letters in the end.
        assert aws.left("b3-wake-events") == 1
