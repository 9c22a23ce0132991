"""`make images`: builds the images of docker/ and pushes them to a registry, each with an SBOM, none for root.

Standard library only: nothing but docker and its command buildx is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.checkout import ROOT
from infra.deploy.errors import DeployError

# Docker's own builder writes no attestations.
BUILDER = "b3-lake"
# Of most instances, and of Fargate unless it is told otherwise.
PLATFORM = "linux/amd64"
# Variables that choose a base image, as in docker-compose.yaml.
BASES = ("AIRFLOW_IMAGE", "PYTHON_IMAGE")
_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9.-]*(:\d+)?(/[a-z0-9][a-z0-9._-]*)+")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}")
_ROOT_USERS = ("", "root", "0")


@dataclass(frozen=True)
class Image:
    """An image: the beginning of its tag, its file in docker/, and the stage of the file; empty for the last."""

    name: str
    file: str
    stage: str = ""


IMAGES = (
    Image("airflow", "airflow.Dockerfile", "airflow"),
    Image("lake", "airflow.Dockerfile", "lake"),
    Image("aws", "aws.Dockerfile"),
)


def main(arguments: list[str] | None = None) -> int:
    """Build and push: 0, 1 if an image could not be made or is not as it has to be, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="make images", description=__doc__)
    parser.add_argument("--repository", default="", help="registry and name, as ….amazonaws.com/b3-lake")
    parser.add_argument("--tag", default="", help="end of the tags, by default the commit")
    options = parser.parse_args(arguments)
    if not _REPOSITORY.fullmatch(options.repository):
        print(
            "images: expected a repository with its registry: make images "
            f"REPOSITORY=123456789012.dkr.ecr.us-east-1.amazonaws.com/b3-lake; found {options.repository!r}",
            file=sys.stderr,
        )
        return 2
    try:
        tag = options.tag or _commit()
        if not _TAG.fullmatch(tag):
            raise DeployError(f"expected TAG= of letters, digits, points, dashes and underscores, found {tag!r}")
        _have_builder()
        for image in IMAGES:
            reference = f"{options.repository}:{image.name}-{tag}"
            # A registry may let no tag be pushed twice, and another build of one commit has other bytes.
            if (there := _inspect(reference)) is not None and not [*faults(reference, there)]:
                print(f"images: {reference} is there", flush=True)
                continue
            print(f"images: {reference}", flush=True)
            _docker(*build(image, reference, os.environ), shown=True)
            for fault in faults(reference, _inspect(reference) or {}):
                raise DeployError(fault)
    except DeployError as error:
        print(f"images: failed: {error}", file=sys.stderr)
        return 1
    print(f"images: {len(IMAGES)} images are in {options.repository}, each with an SBOM, none for root")
    return 0


def build(image: Image, reference: str, environ: Mapping[str, str]) -> list[str]:
    """Return the words after `docker` that build an image, describe what is in it, and push it.

    Args:
        image: which.
        reference: its name with its tag.
        environ: may choose base images, and B3_CA_BUNDLE.
    """
    words = ["buildx", "build", "--builder", BUILDER, "--platform", PLATFORM, "--file", f"docker/{image.file}"]
    words += ["--target", image.stage] if image.stage else []
    for name in BASES:
        if environ.get(name):
            words += ["--build-arg", f"{name}={environ[name]}"]
    words += ["--secret", f"id=ca,src={environ.get('B3_CA_BUNDLE') or os.devnull}"]
    return [*words, "--sbom=true", "--provenance=mode=max", "--tag", reference, "--push", "."]


def faults(reference: str, found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with an image in the registry.

    Args:
        reference: its name.
        found: what `docker buildx imagetools inspect` says of it.
    """
    user = str(((found.get("image") or {}).get("config") or {}).get("User", "")).partition(":")[0]
    if user in _ROOT_USERS:
        found_user = user or "none, which is root"
        yield f"expected {reference} to run as a user, found {found_user}: name one in its Dockerfile"
    if not (found.get("sbom") or {}).get("SPDX"):
        yield f"expected an SBOM with {reference}, found none: does its registry keep attestations?"


def _commit() -> str:
    """Return the commit that is checked out.

    Raises:
        DeployError: there is none, or files differ from it.
    """
    done = [
        subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        for words in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain"))
    ]
    if any(one.returncode for one in done) or done[1].stdout:
        raise DeployError("expected a clean checkout, whose commit names the images; commit first, or give TAG=…")
    return done[0].stdout.strip()


def _have_builder() -> None:
    try:
        there = subprocess.run(["docker", "buildx", "inspect", BUILDER], capture_output=True, check=False)
    except FileNotFoundError:
        raise DeployError("expected docker with its command buildx, found none: install both") from None
    if there.returncode:
        _docker("buildx", "create", "--name", BUILDER, "--driver", "docker-container")


def _inspect(reference: str) -> dict[str, Any] | None:
    """Return what a registry has of an image; None where it has none, or does not tell."""
    form = '{"image": {{json .Image}}, "sbom": {{json .SBOM}}}'
    words = ["docker", "buildx", "imagetools", "inspect", reference, "--format", form]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return None if done.returncode else json.loads(done.stdout)


def _docker(*words: str, shown: bool = False) -> str:
    """Run `docker` in the checkout, and return what it prints, unless it is shown.

    Raises:
        DeployError: it failed.
    """
    done = subprocess.run(
        ["docker", *words], cwd=ROOT, stdout=None if shown else subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise DeployError(
            f"expected `docker {words[0]} {words[1]}` to succeed, found status {done.returncode}: it says why above. "
            "A registry wants a login first: docs/compose.md#images"
        )
    return done.stdout or ""


if __name__ == "__main__":
    raise SystemExit(main())
