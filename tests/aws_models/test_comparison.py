"""The comparison with AWS's models, by exchanges that are right, and by ones in which one thing is wrong."""

import json
from dataclasses import replace

import pytest
from botocore.serialize import create_serializer

from local.aws.exchanges import CBOR, Exchange
from tests.aws_models.comparison import compare, surprises
from tests.aws_models.reading import model

JSON = {"content-type": "application/x-amz-json-1.1"}
XML = {"content-type": "application/xml"}
START = Exchange(
    "airflow", "athena", "POST", "/", "", {"x-amz-target": "AmazonAthena.StartQueryExecution"},
    json.dumps({"QueryString": "SELECT 1", "WorkGroup": "b3"}), 200, JSON, json.dumps({"QueryExecutionId": "a-1"}),
)  # fmt: skip
PUBLISH = Exchange(
    "airflow", "sns", "POST", "/", "", {}, "Action=Publish&Version=2010-03-31&TopicArn=a&Message=b"
    "&MessageAttributes.entry.1.Name=severity&MessageAttributes.entry.1.Value.DataType=String"
    "&MessageAttributes.entry.1.Value.StringValue=page", 200, XML,
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId>'
    "</PublishResult><ResponseMetadata><RequestId>2</RequestId></ResponseMetadata></PublishResponse>",
)  # fmt: skip
LISTING = Exchange(
    "airflow", "s3", "GET", "/lake", "list-type=2&prefix=raw%2F&max-keys=10", {}, "", 200, XML,
    "<ListBucketResult><Name>lake</Name><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated><Contents><Key>raw/a</Key>"
    "<LastModified>2024-03-15T10:00:00.000Z</LastModified><Size>1</Size></Contents></ListBucketResult>",
)  # fmt: skip


def measured(metric: dict[str, object]) -> Exchange:
    """A metric as boto3 puts it, in CBOR."""
    operation = model("monitoring").operation_model("PutMetricData")
    serializer = create_serializer("smithy-rpc-v2-cbor", include_validation=False)
    body = serializer.serialize_to_request({"Namespace": "B3Lake", "MetricData": [metric]}, operation)["body"]
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
    cbor = {"content-type": CBOR}
    return Exchange("airflow", "monitoring", "POST", path, "", cbor, body.decode("latin-1"), 200, cbor, "")


OBJECT = replace(LISTING, path="/lake/raw/a", query="", answer="")
LOCATION = "<LocationConstraint>sa-east-1</LocationConstraint>"


def of(exchange: Exchange, **other: object) -> tuple[str, list[str]]:
    return compare(replace(exchange, **other))


@pytest.mark.parametrize(
    ("exchange", "operation"),
    [
        (START, "athena:StartQueryExecution"),
        (PUBLISH, "sns:Publish"),
        (measured({"MetricName": "rows", "Value": 7}), "monitoring:PutMetricData"),
        (LISTING, "s3:ListObjectsV2"),
        (replace(LISTING, query="location", answer=LOCATION), "s3:GetBucketLocation"),
        (replace(OBJECT, path="/lake", method="HEAD"), "s3:HeadBucket"),
        (OBJECT, "s3:GetObject"),
        (replace(OBJECT, query="uploadId=1&partNumber=2", method="PUT"), "s3:UploadPart"),
    ],
)
def test_an_exchange_as_the_model_has_it_is_found_right(exchange, operation):
    assert compare(exchange) == (operation, [])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"QueryString": None}, "QueryString: expected it, as the model requires it, found nothing"),
        ({"QueryString": 1}, "QueryString: expected string, found 1"),
        ({"QueryString": ""}, "QueryString: expected a size from 1 to 262144, found 0"),
        ({"Limit": 1}, "Limit: expected a member of the model, found another"),
        ({"WorkGroup": "b 3"}, "WorkGroup: expected [a-zA-Z0-9._-]{1,128}, found 'b 3'"),
        (
            {"ResultConfiguration": {"EncryptionConfiguration": {"EncryptionOption": "MD5"}}},
            "ResultConfiguration.EncryptionConfiguration.EncryptionOption: "
            "expected one of ['SSE_S3', 'SSE_KMS', 'CSE_KMS'], found 'MD5'",
        ),
    ],
)
def test_a_request_that_aws_would_refuse_is_told_of(body, told):
    asked = {"QueryString": "SELECT 1", **body}

    assert of(START, body=json.dumps(asked)) == ("athena:StartQueryExecution", [f"request.{told}"])


def test_a_request_in_cbor_that_aws_would_refuse_is_told_of():
    (unit,) = compare(measured({"MetricName": "rows", "Unit": "Rows"}))[1]
    (name,) = compare(measured({"Value": 7}))[1]

    assert "MetricData[].Unit: expected one of" in unit
    assert "MetricData[].MetricName: expected it, as the model requires it, found nothing" in name


def test_a_form_is_read_by_the_members_of_its_operation():
    body = PUBLISH.body.replace("&MessageAttributes.entry.1.Value.DataType=String", "")

    assert of(PUBLISH, body=body)[1] == [
        "request.MessageAttributes.severity.DataType: expected it, as the model requires it, found nothing"
    ]


@pytest.mark.parametrize(
    ("exchange", "right", "wrong", "told"),
    [
        (START, "QueryExecutionId", "Id", "answer: expected a member of the model, found StartQueryExecution.Id"),
        (START, '"a-1"', "7", "answer.QueryExecutionId: expected string, found 7"),
        (PUBLISH, "MessageId", "Id", "answer: expected a member of the model, found Publish.Id"),
        (LISTING, "<Size>1", "<Size>one", "answer.Contents[].Size: expected long, found 'one'"),
    ],
)
def test_an_answer_that_aws_would_not_give_is_told_of(exchange, right, wrong, told):
    assert told in of(exchange, answer=exchange.answer.replace(right, wrong))[1]


@pytest.mark.parametrize(
    ("exchange", "answer"), [(START, '{"__type": "Oops"}'), (LISTING, "<Error><Code>Oops</Code></Error>")]
)
def test_an_error_that_aws_does_not_have_is_told_of(exchange, answer):
    assert of(exchange, status=400, answer=answer)[1] == ["error: expected one that the model has, found Oops"]


@pytest.mark.parametrize(
    ("exchange", "other"),
    [
        (START, {"status": 400, "answer": '{"__type": "com.amazonaws.athena#InvalidRequestException"}'}),
        (LISTING, {"status": 404, "answer": "<Error><Code>NoSuchBucket</Code></Error>"}),
    ],
)
def test_an_error_that_aws_has_is_right(exchange, other):
    assert of(exchange, **other)[1] == []


def test_an_operation_that_aws_does_not_have_is_told_of():
    operation, (told,) = of(START, headers={"x-amz-target": "AmazonAthena.RunQuery"})

    assert (operation, told) == ("athena:POST /", "expected an operation of athena, found 'RunQuery'")


def test_what_is_known_is_no_surprise_and_all_else_is():
    table = {"Table": {"Name": "quotes", "Owner": ""}}
    target = {"x-amz-target": "AWSGlue.GetTable"}
    known = replace(
        START, service="glue", headers=target, body='{"DatabaseName": "b3", "Name": "quotes"}', answer=json.dumps(table)
    )
    del table["Table"]["Name"]
    other = replace(known, answer=json.dumps(table))

    assert surprises([known]) == []
    assert surprises([known, other]) == [
        "glue:GetTable: answer.Table.Name: expected it, as the model requires it, found nothing"
    ]
