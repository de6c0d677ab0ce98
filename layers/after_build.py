"""What `sam build` leaves undone: python layers/after_build.py .aws-sam/build 3.13

- The core layer. SAM copies no layer without a BuildMethod, so the built template points at the working tree, with
  whatever bytecode of the host's Python lies there. It gets a folder beside the others.
- Bytecode. SAM ships none, and without it a cold start compiles every module again: botocore alone then takes more
  than twice as long. It is made by a Python of the function's version, and bound to no time stamp, for zip files
  round those to two seconds. Where the host has no such Python, the build stays right and starts slowly.

The last lines tell what was built: sizes, and modules without valid bytecode.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "layers" / "core" / "python"
MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
"""Function and layers together. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

UNCHECKED_HASH = 0b01
"""The flags of bytecode that is used without a look at its source. https://peps.python.org/pep-0552/"""


@dataclass(frozen=True, slots=True)
class Target:
    """A Python of the function's version, and the first four bytes of its bytecode."""

    executable: str
    version: str
    magic: bytes

    def valid(self, module: Path) -> bool:
        """Whether this Python loads the module from bytecode, wherever the file was unpacked."""
        cached = module.parent / "__pycache__" / f"{module.stem}.cpython-{self.version.replace('.', '')}.pyc"
        try:
            with cached.open("rb") as file:
                return file.read(8) == self.magic + UNCHECKED_HASH.to_bytes(4, "little")
        except FileNotFoundError:
            return False


def find_target(version: str) -> Target | None:
    """A Python of exactly this minor version on this host; None where there is none that runs."""
    # The shims of pyenv run nothing but what this variable names; for others it means nothing.
    environment = {**os.environ, "PYENV_VERSION": version}
    question = "import importlib.util as u, sys; print(*sys.version_info[:2], u.MAGIC_NUMBER.hex(), sys.executable)"

    def ask(*command: str) -> str:
        try:
            answer = subprocess.run(  # noqa: S603
                command, env=environment, capture_output=True, text=True, check=False, timeout=60
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return answer.stdout.strip() if answer.returncode == 0 else ""

    def candidates() -> Iterator[str]:
        yield sys.executable
        yield f"python{version}"
        # One that uv has installed need not be on the PATH.
        yield ask(str(Path(sys.executable).with_name("uv")), "python", "find", "--no-python-downloads", version)

    for candidate in candidates():
        found = ask(candidate, "-c", question).split(" ", 3) if candidate else []
        if found[:2] == version.split("."):
            return Target(found[3], version, bytes.fromhex(found[2]))
    return None


def place_core(build: Path) -> None:
    """Copies the core layer into the build, and makes the built template say so."""
    folder = build / "CoreLayer"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(CORE, folder / "python", ignore=shutil.ignore_patterns("__pycache__"))
    template = build / "template.yaml"
    text, found = re.subn(r"(?m)^(\s+ContentUri: ).*\blayers/core/?$", r"\1CoreLayer", template.read_text())
    if not found and "ContentUri: CoreLayer" not in text:
        raise SystemExit(f"after_build.py: {template} has no layer from layers/core")
    template.write_text(text)


def compile_all(build: Path, target: Target) -> None:
    """Makes the bytecode of every artifact, with the paths that the files have on Lambda."""
    homes = [
        (str(artifact), "/opt" if artifact.name.endswith("Layer") else "/var/task") for artifact in artifacts(build)
    ]
    command = [target.executable, "-c", _COMPILE, *(text for home in homes for text in home)]
    subprocess.run(command, check=True)  # noqa: S603


# For the target's Python: one process, as the start of one costs more than the bytecode of a function.
_COMPILE = """
import compileall, py_compile, sys
unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
for folder, home in zip(sys.argv[1::2], sys.argv[2::2]):
    if not compileall.compile_dir(
        folder, maxlevels=50, quiet=1, stripdir=folder, prependdir=home, invalidation_mode=unchecked
    ):
        sys.exit(f"no bytecode could be made in {folder}")
"""


def artifacts(build: Path) -> list[Path]:
    """The folders of the build: each becomes one zip file."""
    return sorted(path for path in build.iterdir() if path.is_dir())


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def lacking(folder: Path, target: Target | None) -> list[Path]:
    """The modules without bytecode that the target loads; all where there is no target."""
    return [module for module in modules(folder) if target is None or not target.valid(module)]


def size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def layers_of(build: Path) -> dict[str, set[str]]:
    """The layers of each function of the built template: those of all, and its own."""
    blocks = re.split(r"(?m)^  (?=\w+:$)", (build / "template.yaml").read_text())
    named = {block.split(":", 1)[0]: _LAYERS.findall(block) for block in blocks}
    found = {name: {layer for text in texts for layer in _LAYER.findall(text)} for name, texts in named.items()}
    functions = {block.split(":", 1)[0] for block in blocks if "Type: AWS::Serverless::Function" in block}
    return {name: found[name] | found.get("Function", set()) for name in functions}


# In one line or in several; `Globals` has them under `Function`.
_LAYERS = re.compile(r"(?m)^ +Layers:( *\[[^\]]*\]|(?:\n +- .*)+)")
_LAYER = re.compile(r"\b(\w+Layer)\b")


def report(build: Path, target: Target | None) -> Iterator[str]:
    """Lines for people: layers one by one, functions together, and what of both comes together for one function."""
    layers = [artifact for artifact in artifacts(build) if artifact.name.endswith("Layer")]
    functions = [artifact for artifact in artifacts(build) if artifact not in layers]
    sizes = {artifact: size_bytes(artifact) for artifact in (*layers, *functions)}
    for layer in layers:
        yield f"  {layer.name:<20} {_mib(sizes[layer]):>6}   {_counted([layer], target)}"
    largest = max((sizes[function] for function in functions), default=0)
    yield f"  {len(functions)} functions, each    {_mib(largest):>6}   {_counted(functions, target)}"
    by_name = {artifact.name: size for artifact, size in sizes.items()}
    unzipped = {
        # Functions with the same code share a folder, which has the name of one of them.
        name: by_name.get(name, largest) + sum(by_name[layer] for layer in its)
        for name, its in layers_of(build).items()
    }
    name, most = max(unzipped.items(), key=lambda each: each[1])
    yield f"  unzipped at most     {_mib(most):>6}   of {_mib(MAX_UNZIPPED_BYTES)}, for {name}"
    if most > MAX_UNZIPPED_BYTES:
        raise SystemExit(f"after_build.py: Lambda takes no function of the size of {name} with its layers")


def _counted(folders: list[Path], target: Target | None) -> str:
    total = sum(len(modules(folder)) for folder in folders)
    return f"{total} modules, {sum(len(lacking(folder, target)) for folder in folders)} without valid bytecode"


def _mib(size: int) -> str:
    return f"{size / 1024 / 1024:.1f}M"


def main(build: Path, version: str) -> None:
    place_core(build)
    target = find_target(version)
    if target is None:
        print(  # noqa: T201
            f"No bytecode: this host has no Python {version} that runs. The build works, but every cold start compiles "
            f"its modules. Install one (for example: .venv/bin/uv python install {version}) and build again."
        )
    else:
        compile_all(build, target)
    print("\n".join(report(build, target)))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
