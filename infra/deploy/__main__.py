"""`make deploy`, `make smoke` and `make destroy`.

Status 1: it did not end well; status 2: it was not asked for rightly.
"""

from __future__ import annotations

import argparse
import sys

from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy import checkup, destroying, functions, lint, smoke
from infra.deploy.account import Account
from infra.deploy.arguments import Options
from infra.deploy.deploying import Deployment
from infra.deploy.errors import DeployError


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; the status of the process."""
    parser = _parser()
    given = parser.parse_args(arguments)
    for name in ("stack", "bucket"):
        if not getattr(given, name):
            parser.error(f"expected the {name}'s name: make {given.command} STACK=b3-lake BUCKET=…")
    options = Options(
        stack=given.stack,
        bucket=given.bucket,
        code_bucket=getattr(given, "code_bucket", ""),
        airflow=getattr(given, "airflow", "") or None,
        mwaa=not getattr(given, "without_mwaa", False),
        queries=not getattr(given, "without_queries", False),
        functions={name: chosen for name in functions.NAMES if (chosen := getattr(given, name, ""))},
        parameters=dict(getattr(given, "parameter", [])),
    )
    try:
        account = Account()
        _say(f"{given.command} {options.stack}: {account}")
        return {"deploy": _deploy, "destroy": _destroy, "smoke": _smoke}[given.command](account, options, given)
    except (DeployError, BotoCoreError, ClientError) as error:
        print(f"{given.command}: failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{given.command}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _deploy(account: Account, options: Options, given: argparse.Namespace) -> int:
    lint.check(options, _say)
    deployment = Deployment(account, options, _say)
    planned = deployment.plan()
    changes = [change for _, changes in planned for change in changes]
    if not changes:
        _say(f"{options.stack} is as this checkout has it: nothing to do")
        return 0
    _say("plan:")
    for change in changes:
        _say(str(change))
    if given.dry_run:
        _say(f"{len(changes)} change(s) planned, nothing was changed")
        return 0
    deployment.apply(planned)
    return _test(account, options)


def _smoke(account: Account, options: Options, given: argparse.Namespace) -> int:
    status = _test(account, options)
    _say("checkup:")
    return status if checkup.test(account, options, _say) else 1


def _test(account: Account, options: Options) -> int:
    _say("smoke test:")
    if smoke.test(account, options, _say):
        _say(f"{options.stack} is deployed, and works")
        return 0
    return 1


def _destroy(account: Account, options: Options, given: argparse.Namespace) -> int:
    lines = destroying.check(account, options, with_data=given.with_data)
    if not lines:
        _say(f"nothing is left of {options.stack}")
        return 0
    for line in lines:
        _say(line)
    if given.yes_really:
        typed = given.yes_really
    elif sys.stdin.isatty():
        typed = input(f"this cannot be undone; type the stack's name, {options.stack}, to go on: ").strip()
    else:
        raise DeployError(f"expected somebody to ask, found no terminal: say --yes-really={options.stack}")
    if typed != options.stack:
        raise DeployError(f"expected {options.stack!r} to be typed, found {typed!r}: nothing was deleted")
    destroying.destroy(account, options, _say)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--stack", default="", help="name of the lake's stack; the others are named after it")
    common.add_argument("--bucket", default="", help="name of the lake's bucket")
    environment = argparse.ArgumentParser(add_help=False)
    environment.add_argument("--without-mwaa", action="store_true", help="leave the environment of MWAA out")
    deploy = commands.add_parser(
        "deploy", parents=[common, environment], help="make the account what the checkout says"
    )
    deploy.add_argument("--code-bucket", default="", help="name of the bucket that MWAA reads, by default BUCKET-code")
    deploy.add_argument("--airflow", default="", help="version of Airflow on MWAA; default: what runs, else the newest")
    deploy.add_argument("--without-queries", action="store_true", help="leave Athena's saved queries out")
    for name, what in (("arrivals", "starts work for files that come, by Lambda"), ("stream", "streams Bitcoin")):
        deploy.add_argument(
            f"--{name}", default="", choices=("", "yes", "no"), help=f"a stack that {what}; empty keeps it or not"
        )
    deploy.add_argument("--dry-run", action="store_true", help="print the plan, and change nothing")
    deploy.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=_parameter,
        metavar="NAME=VALUE",
        help="value of a parameter of the templates; kept by later deploys",
    )
    destroy = commands.add_parser("destroy", parents=[common], help="delete the stacks and the buckets")
    destroy.add_argument("--with-data", action="store_true", help="the lake's data too, with every version")
    destroy.add_argument("--yes-really", default="", metavar="STACK", help="the stack's name, where nobody can type it")
    commands.add_parser("smoke", parents=[common, environment], help="the smoke test of a deploy, and a checkup")
    return parser


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, found {text!r}")
    return name, value


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
