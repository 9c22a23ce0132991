"""Every template in regions where readers of this repository deploy: Brazil's, the cheapest, and one in Europe."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.templates import INFRA

TEMPLATES = sorted([*INFRA.glob("*.yaml"), *INFRA.glob("deploy/*.yaml")])


def lint(region: str, *templates: Path) -> str:
    """What cfn-lint finds."""
    command = [Path(sys.executable).parent / "cfn-lint", "--regions", region, "--", *templates]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("region", ["us-east-1", "sa-east-1", "eu-west-1"])
def test_cfn_lint_finds_nothing(region):
    assert lint(region, *TEMPLATES) == ""


def test_cfn_lint_knows_what_a_region_lacks(tmp_path):
    """So that the silence above means something."""
    template = tmp_path / "template.yaml"
    template.write_text("Resources: {Board: {Type: 'AWS::MWAA::Environment', Properties: {Name: b3}}}")

    assert "AWS::MWAA::Environment" in lint("mx-central-1", template)
    assert lint("sa-east-1", template) == ""
