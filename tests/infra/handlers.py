"""What CloudFormation calls for the resources of the templates, by the handlers of each type's schema.

The schemas are AWS's own; cfn-lint brings them. A handler's list holds whatever it may ever call, also for properties
that no template here sets: LEFT_OUT names those calls.
"""

import fnmatch
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

REGION = "us-east-1"
# CloudFormation calls `list` when it looks for resources to import, which no deploy asks for.
NOT_CALLED_BY_DEPLOYS = ("list",)


@dataclass(frozen=True)
class LeftOut:
    """Actions of a type's handlers that the role does not allow, and why.

    `unless` names properties: as soon as a resource sets one of them, its handler makes the call.
    """

    kind: str
    actions: tuple[str, ...]
    why: str
    unless: tuple[str, ...] = ()


LEFT_OUT = (
    LeftOut(
        "AWS::Athena::WorkGroup", ("kms:Decrypt", "kms:GenerateDataKey"),
        "results are encrypted with S3's own key; another key is a part of WorkGroupConfiguration, see the test",
    ),
    LeftOut("AWS::EC2::EIP", ("ec2:AcceptAddressTransfer",), "another account's address", ("TransferAddress",)),
    LeftOut("AWS::EC2::EIP", ("ec2:AssociateAddress",), "a NAT gateway takes the address itself", ("InstanceId",)),
    LeftOut(
        "AWS::EC2::NatGateway",
        ("ec2:AssociateNatGatewayAddress", "ec2:DisassociateNatGatewayAddress", "ec2:AssignPrivateNatGatewayAddress",
         "ec2:UnassignPrivateNatGatewayAddress"),
        "each gateway has one address",
        ("SecondaryAllocationIds", "SecondaryPrivateIpAddressCount", "SecondaryPrivateIpAddresses"),
    ),
    LeftOut(
        "AWS::EC2::Subnet", ("ec2:AssociateSubnetCidrBlock", "ec2:DisassociateSubnetCidrBlock"), "no IPv6",
        ("Ipv6CidrBlock", "Ipv6CidrBlocks", "Ipv6Native"),
    ),
    LeftOut("AWS::EC2::VPC", ("ec2:CreateVpcEncryptionControl",), "not asked for", ("VpcEncryptionControl",)),
    LeftOut("AWS::EC2::VPC", ("ec2:ModifyVpcTenancy",), "the default tenancy stays", ("InstanceTenancy",)),
    LeftOut(
        "AWS::EC2::VPCEndpoint",
        ("vpc-lattice:CreateServiceNetworkVpcEndpointAssociation",
         "vpc-lattice:DescribeServiceNetworkVpcEndpointAssociation"),
        "endpoints of service networks alone", ("ServiceNetworkArn", "ResourceConfigurationArn"),
    ),
    LeftOut("AWS::EC2::VPCEndpoint", ("vpce:AllowMultiRegion",), "the service is of this region", ("ServiceRegion",)),
    LeftOut(
        "AWS::EC2::VPCGatewayAttachment", ("ec2:AttachVpnGateway", "ec2:DetachVpnGateway"), "no VPN", ("VpnGatewayId",)
    ),
    LeftOut(
        "AWS::Glue::Database",
        ("glue:PassConnection", "glue:CreateConnection", "glue:UpdateConnection", "glue:DeleteConnection"),
        "connections are those of federated databases, a part of DatabaseInput, see the test",
    ),
    LeftOut(
        "AWS::IAM::Policy",
        ("iam:PutUserPolicy", "iam:DeleteUserPolicy", "iam:PutGroupPolicy", "iam:DeleteGroupPolicy"),
        "the policy is a role's", ("Users", "Groups"),
    ),
    LeftOut(
        "AWS::IAM::Role", ("iam:AttachRolePolicy", "iam:DetachRolePolicy"),
        "with it, a deploy could attach AdministratorAccess", ("ManagedPolicyArns",),
    ),
    LeftOut(
        "AWS::IAM::Role", ("iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"), "no boundary",
        ("PermissionsBoundary",),
    ),
    LeftOut(
        "AWS::KinesisFirehose::DeliveryStream", ("kms:CreateGrant", "kms:DescribeKey", "kms:RevokeGrant"),
        "AWS's own key; another is a part of DeliveryStreamEncryptionConfigurationInput, see the test",
    ),
    LeftOut(
        "AWS::Lambda::EventSourceMapping", ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"), "no filter",
        ("FilterCriteria", "KmsKeyArn"),
    ),
    LeftOut(
        "AWS::Lambda::Function",
        ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"), "AWS's own key",
        ("KmsKeyArn",),
    ),
    LeftOut(
        "AWS::Lambda::Function",
        ("elasticfilesystem:DescribeMountTargets", "s3files:ListMountTargets"), "no file system",
        ("FileSystemConfigs",),
    ),
    LeftOut(
        "AWS::Lambda::Function",
        ("lambda:PutFunctionCodeSigningConfig", "lambda:DeleteFunctionCodeSigningConfig"), "code is not signed",
        ("CodeSigningConfigArn",),
    ),
    LeftOut(
        "AWS::Lambda::Function", ("lambda:PassCapacityProvider", "lambda:PutFunctionScalingConfig"),
        "no machines of one's own", ("CapacityProviderConfig", "FunctionScalingConfig"),
    ),
    LeftOut(
        "AWS::Lambda::Function", ("lambda:PublishVersion",), "no versions", ("PublishToLatestPublished", "SnapStart")
    ),
    LeftOut(
        "AWS::Lambda::Function", ("lambda:PutFunctionRecursionConfig",), "loops end, as by default", ("RecursiveLoop",)
    ),
    LeftOut(
        "AWS::Lambda::Function", ("lambda:PutRuntimeManagementConfig",), "updates come by themselves",
        ("RuntimeManagementConfig",),
    ),
    LeftOut(
        "AWS::Logs::LogGroup",
        ("logs:PutDataProtectionPolicy", "logs:CreateLogDelivery", "s3:REST.PUT.OBJECT"),
        "a policy that masks what is logged, and where its findings go", ("DataProtectionPolicy",),
    ),
    LeftOut("AWS::Logs::LogGroup", ("logs:AssociateKmsKey", "logs:DisassociateKmsKey"), "no key", ("KmsKeyId",)),
    LeftOut(
        "AWS::Logs::LogGroup", ("logs:PutIndexPolicy", "logs:DeleteIndexPolicy"), "no index", ("FieldIndexPolicies",)
    ),
    LeftOut(
        "AWS::Logs::LogGroup", ("logs:PutResourcePolicy", "logs:DeleteResourcePolicy"), "no policy",
        ("ResourcePolicyDocument",),
    ),
    LeftOut(
        "AWS::Logs::LogGroup", ("logs:PutBearerTokenAuthentication",), "not asked for",
        ("BearerTokenAuthenticationEnabled",),
    ),
    LeftOut(
        "AWS::Logs::LogGroup", ("logs:PutLogGroupDeletionProtection",), "not asked for", ("DeletionProtectionEnabled",)
    ),
    LeftOut(
        "AWS::MWAA::Environment", ("iam:CreatePolicy", "iam:AttachRolePolicy"),
        "MWAA's console makes a role with them; here the lake's stack has made it",
    ),
    LeftOut(
        "AWS::MWAA::Environment", ("kms:CreateGrant", "kms:DescribeKey", "kms:ListAliases"), "AWS's own key",
        ("KmsKey",),
    ),
    LeftOut(
        "AWS::S3::Bucket",
        ("s3:DeleteBucketEncryption", "s3:DeleteBucketLifecycle"),
        "no actions of IAM: S3 asks for PutEncryptionConfiguration and PutLifecycleConfiguration",
    ),
    LeftOut(
        "AWS::S3::Bucket",
        ("s3:PutBucketTagging", "s3:DeleteBucketTagging", "s3:TagResource", "s3:UntagResource"), "no tags", ("Tags",),
    ),
    LeftOut("AWS::S3::Bucket", ("s3:PutBucketAbac",), "not asked for", ("AbacStatus",)),
    LeftOut("AWS::S3::Bucket", ("s3:PutBucketAcl", "s3:PutObjectAcl"), "no ACLs", ("AccessControl",)),
    LeftOut("AWS::S3::Bucket", ("s3:PutAccelerateConfiguration",), "not asked for", ("AccelerateConfiguration",)),
    LeftOut(
        "AWS::S3::Bucket", ("s3:PutAnalyticsConfiguration", "s3:DeleteBucketAnalyticsConfiguration"), "not asked for",
        ("AnalyticsConfigurations",),
    ),
    LeftOut("AWS::S3::Bucket", ("s3:PutBucketCORS", "s3:DeleteBucketCors"), "no browser", ("CorsConfiguration",)),
    LeftOut(
        "AWS::S3::Bucket", ("s3:PutIntelligentTieringConfiguration",), "objects of a few megabytes",
        ("IntelligentTieringConfigurations",),
    ),
    LeftOut("AWS::S3::Bucket", ("s3:PutInventoryConfiguration",), "not asked for", ("InventoryConfigurations",)),
    LeftOut("AWS::S3::Bucket", ("s3:PutBucketLogging",), "no log of access", ("LoggingConfiguration",)),
    LeftOut(
        "AWS::S3::Bucket",
        ("s3:CreateBucketMetadataTableConfiguration", "s3:DeleteBucketMetadataTableConfiguration",
         "s3:UpdateBucketMetadataJournalTableConfiguration", "s3:UpdateBucketMetadataInventoryTableConfiguration",
         "s3:UpdateBucketMetadataAnnotationTableConfiguration", "s3tables:*"),
        "no tables of the objects' metadata", ("MetadataConfiguration", "MetadataTableConfiguration"),
    ),
    LeftOut(
        "AWS::S3::Bucket", ("s3:PutMetricsConfiguration", "s3:DeleteBucketMetricsConfiguration"), "not asked for",
        ("MetricsConfigurations",),
    ),
    LeftOut(
        "AWS::S3::Bucket", ("s3:PutBucketObjectLockConfiguration", "s3:PutObjectLockConfiguration"), "no lock",
        ("ObjectLockConfiguration", "ObjectLockEnabled"),
    ),
    LeftOut(
        "AWS::S3::Bucket", ("s3:PutBucketReplication", "s3:PutReplicationConfiguration", "s3:DeleteBucketReplication"),
        "no copy elsewhere", ("ReplicationConfiguration",),
    ),
    LeftOut(
        "AWS::S3::Bucket", ("s3:PutBucketWebsite", "s3:DeleteBucketWebsite"), "no web site", ("WebsiteConfiguration",)
    ),
    LeftOut("AWS::SNS::Topic", ("sns:PutDataProtectionPolicy",), "not asked for", ("DataProtectionPolicy",)),
)  # fmt: skip

# Types from before the registry, whose schema has no handlers: what AWS calls for them is what their API has.
WITHOUT_HANDLERS = {
    # CreateBudget, UpdateBudget and DeleteBudget are one action, and so are all reads.
    "AWS::Budgets::Budget": ("budgets:ViewBudget", "budgets:ModifyBudget"),
    "AWS::Glue::Table": ("glue:CreateTable", "glue:GetTable", "glue:UpdateTable", "glue:DeleteTable"),
}


def called(kind: str) -> frozenset[str]:
    """Return the actions that CloudFormation may call to make, read, change, tag and delete a resource of a type.

    Raises:
        KeyError: the schema has no handlers, and WITHOUT_HANDLERS no actions.
    """
    schema = _schema(kind)
    handlers: Mapping[str, Any] = schema.get("handlers", {})
    if not handlers:
        return frozenset(WITHOUT_HANDLERS[kind])
    found = {
        action
        for name, handler in handlers.items()
        if name not in NOT_CALLED_BY_DEPLOYS
        for action in handler["permissions"]
    }
    return frozenset(found | set((schema.get("tagging") or {}).get("permissions", [])))


def _schema(kind: str) -> dict[str, Any]:
    folder = files("cfnlint") / "data" / "schemas"
    name = json.loads((folder / "providers" / f"{REGION}.json").read_text())[kind]
    schema: dict[str, Any] = json.loads((folder / "resources" / f"{name}.json").read_text())
    return schema


def missing(
    resources: Iterable[Mapping[str, Any]], allowed: Iterable[str], left_out: Iterable[LeftOut] = LEFT_OUT
) -> list[str]:
    """Return a sentence for each action that a handler may call, and that is neither allowed nor left out.

    Args:
        resources: the resources of templates.
        allowed: patterns of actions.
        left_out: what the role need not allow.
    """
    patterns, excuses = [pattern.lower() for pattern in allowed], list(left_out)
    wanted = {
        (resource["Type"], action)
        for resource in resources
        for action in called(resource["Type"])
        if not _matches(action, patterns) and not _is_left_out(resource, action, excuses)
    }
    return [f"{kind}: its handlers call {action}, which nobody allows" for kind, action in sorted(wanted)]


def _is_left_out(resource: Mapping[str, Any], action: str, excuses: Iterable[LeftOut]) -> bool:
    return any(
        excuse.kind == resource["Type"]
        and _matches(action, [pattern.lower() for pattern in excuse.actions])
        and not set(excuse.unless) & resource.get("Properties", {}).keys()
        for excuse in excuses
    )


def stale(left_out: Iterable[LeftOut], allowed: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each action that is left out, though no handler calls it or the role allows it."""
    patterns = [pattern.lower() for pattern in allowed]
    for excuse in left_out:
        for action in excuse.actions:
            if not any(_matches(one, [action.lower()]) for one in called(excuse.kind)):
                yield f"{excuse.kind}: {action} is left out, and no handler calls it"
            if _matches(action, patterns):
                yield f"{excuse.kind}: {action} is left out, and the role allows it"


def _matches(action: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), pattern) for pattern in patterns)
