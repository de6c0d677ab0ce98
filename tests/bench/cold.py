"""Cold start of every API function against a bare one with a boto3 client. Target: 1.2 times, without the engine.

    python tests/bench/cold.py [reference.projects …]

Of both sides a fresh process imports the handler's module and makes a DynamoDB client, with bytecode. Ours has the
built layers (trimmed by layers/dependencies/trim.py), the bare one has boto3 as it is installed. Instructions are
counted by valgrind where it is there: they are the same on every machine and under any load. Else it is CPU time, the
median over interleaved runs.
"""

import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from layers import after_build
from tests import template

ROOT = template.ROOT
RUNS = 9
SHOWN_IMPORTS = 10
BARE = "import boto3; boto3.client('dynamodb')"
OURS = "import {module}; from fluvial.aws import client; client('dynamodb')"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "FLUVIAL_TABLE": "table",
    "FLUVIAL_BUCKET": "bucket",
    "FLUVIAL_LOG_LEVEL": "INFO",
    "PATH": os.environ["PATH"],
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class Side:
    """One of the two things that are compared: a statement, and where its modules are."""

    def __init__(self, name: str, statement: str, *folders: Path, engine: bool = False) -> None:
        self.name = name
        self.statement = statement
        self.engine = engine
        self.environment = {**ENVIRONMENT, "PYTHONPATH": ":".join(map(str, folders))}

    def command(self, python: str, *options: str) -> list[str]:
        return [python, *options, "-s", "-c", self.statement]


def build(folder: Path, target: after_build.Target) -> None:
    """The layers by their own Makefiles, core and functions, all with bytecode; and boto3 as it is."""
    machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
    wheels = f"{machine}-apple-darwin" if sys.platform == "darwin" else f"{machine}-manylinux_2_28"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for layer in ("Dependencies", "Engine"):
        # SAM runs them in a copy, too.
        copy = folder / "sources" / layer.lower()
        shutil.copytree(ROOT / "layers" / layer.lower(), copy)
        variables = [f"PYTHON_VERSION={target.version}", f"PLATFORM={wheels}", f"ARTIFACTS_DIR={folder / layer}Layer"]
        run(["make", "-s", "-C", str(copy), f"build-{layer}Layer", *variables], env=environment)
    no_bytecode = shutil.ignore_patterns("__pycache__")
    shutil.copytree(after_build.CORE, folder / "CoreLayer" / "python", ignore=no_bytecode)
    shutil.copytree(ROOT / "functions", folder / "Functions", ignore=no_bytecode)
    requirements = ["--quiet", "--requirements", str(ROOT / "layers" / "dependencies" / "requirements.txt")]
    install = ["uv", "pip", "install", "--python-version", target.version, "--python-platform", wheels]
    run([*install, "--only-binary", ":all:", *requirements, "--target", str(folder / "Bare")], env=environment)
    shutil.rmtree(folder / "sources")
    after_build.compile_all(folder, target)


def run(command: list[str], env: dict[str, str]) -> str:
    """What the command prints on stderr; it must succeed."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stderr


def instructions(side: Side, python: str) -> float:
    valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    counted = re.search(r"I\s+refs:\s+([\d,]+)", run([*valgrind, *side.command(python)], env=side.environment))
    if counted is None:
        raise SystemExit("valgrind says no number of instructions")
    return float(counted[1].replace(",", ""))


def cpu_seconds(side: Side, python: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    run(side.command(python), env=side.environment)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def measure(sides: list[Side], python: str) -> tuple[dict[str, float], str]:
    """A figure for each side, and what it is."""
    # What is said to be installed need not run: a build for another system's libraries, say.
    if (
        shutil.which("valgrind")
        and subprocess.run(["valgrind", "true"], capture_output=True, check=False).returncode == 0
    ):
        with ThreadPoolExecutor(2) as pool:
            counts = list(pool.map(lambda side: instructions(side, python), sides))
        return {side.name: count for side, count in zip(sides, counts, strict=True)}, "million instructions"
    times: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(RUNS):
        for side in sides:
            times[side.name].append(cpu_seconds(side, python))
    return {name: statistics.median(taken) for name, taken in times.items()}, "s of CPU"


def most_expensive(side: Side, python: str) -> list[str]:
    """The imports that take longest, with all that they import."""
    lines = re.findall(
        r"import time:\s+(\d+) \|\s+(\d+) \| (\s*\S+)", run(side.command(python, "-X", "importtime"), side.environment)
    )
    longest = sorted(lines, key=lambda line: int(line[1]), reverse=True)[:SHOWN_IMPORTS]
    return [
        f"    {int(both) / 1000:6.1f} ms, alone {int(alone) / 1000:5.1f}  {name.strip()}"
        for alone, both, name in longest
    ]


def main() -> None:
    host = ".".join(map(str, sys.version_info[:2]))
    target = after_build.find_target("3.13") or after_build.find_target(host)
    assert target is not None
    functions = {
        properties["Handler"].rpartition(".")[0]: {"Ref": "EngineLayer"} in properties.get("Layers", [])
        for properties in template.functions().values()
    }
    asked = sys.argv[1:] or sorted(name for name in functions if not name.startswith("workers."))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, target)
        lacking = [
            module for artifact in after_build.artifacts(folder) for module in after_build.lacking(artifact, target)
        ]
        print(f"Python {target.version}; {len(lacking)} modules without valid bytecode")
        bare = Side("bare + boto3", BARE, folder / "Bare")
        layers = [folder / "Functions", folder / "CoreLayer/python", folder / "DependenciesLayer/python"]
        ours = [
            Side(
                module,
                OURS.format(module=module),
                *layers,
                *([folder / "EngineLayer/python"] if functions[module] else []),
                engine=functions[module],
            )
            for module in asked
        ]
        figures, unit = measure([bare, *ours], target.executable)
        scale = 1e-6 if unit.startswith("million") else 1
        for side in (bare, *ours):
            ratio = figures[side.name] / figures[bare.name]
            told = f"{side.name:<24} {figures[side.name] * scale:10.3f} {unit}   {ratio:.2f}"
            print(told + ("   with the engine" if side.engine else ""))
        worst = max((side for side in ours if not side.engine), key=lambda side: figures[side.name], default=ours[0])
        print(f"\nThe most expensive imports of {worst.name}:")
        print("\n".join(most_expensive(worst, target.executable)))


if __name__ == "__main__":
    main()
