"""deploy/Dockerfile carried out over this machine's own root, and containers of what comes of it.

A container is a chroot into an overlay (layers over ``/``), in namespaces of its own for mounts, processes
and network, with nothing of this shell's environment: what runs in it is process 1, as in Docker's.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
# What a build needs to reach a registry from here: Docker hands on proxies likewise.
HANDED_ON = re.compile(
    r"PIP_(CERT|INDEX_URL|DEFAULT_TIMEOUT)|SSL_CERT_(FILE|DIR)|https?_proxy", re.IGNORECASE
)
NEEDED = ("ip", "unshare", "nsenter", "chroot", "mount", "cp")


@dataclass
class Image:
    """Layers, and what the Dockerfile says of them."""

    upper: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    user: str = "root"
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)

    def within(self, path: str) -> Path:
        """The path as it lies in the layer."""
        return self.upper / (Path(self.workdir) / path).relative_to("/")


@dataclass
class Container:
    """What ``docker run`` makes of an image; ``layer`` takes what it writes."""

    image: Image
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    binds: dict[str, Path] = field(default_factory=dict)
    network: str = ""
    layer: Path | None = None

    def command(self, words: Sequence[str]) -> list[str]:
        """Of this machine's shell: namespaces, mounts, and then ``words`` as process 1."""
        root, work = (self.folder / name for name in ("root", "work"))
        layer = self.layer or self.folder / "layer"
        for each in (root, work, layer):
            each.mkdir(parents=True, exist_ok=True)
        lower = "/" if layer == self.image.upper else f"{self.image.upper}:/"
        shell = [
            [
                "mount",
                "-t",
                "overlay",
                "-o",
                f"lowerdir={lower},upperdir={layer},workdir={work}",
                "overlay",
                f"{root}",
            ],
            ["mount", "-t", "proc", "proc", f"{root}/proc"],
            ["mount", "--rbind", "/dev", f"{root}/dev"],
            ["mount", "-t", "tmpfs", "tmpfs", f"{root}/tmp"],
        ]
        for inside, source in self.binds.items():
            target = f"{root}{inside}"
            shell.append(["mkdir", "-p", target if source.is_dir() else str(Path(target).parent)])
            if not source.is_dir():
                shell.append(["touch", target])
            shell.append(["mount", "--bind", str(source), target])
        env = (
            self.image.env
            | {"HOME": "/root" if self.image.user == "root" else f"/home/{self.image.user}"}
            | self.env
        )
        inner = f"cd {self.image.workdir} && exec {shlex.join(words)}"
        user = f"--userspec={self.image.user}"
        told = ["env", "-i", *(f"{k}={v}" for k, v in env.items()), "sh", "-c", inner]
        shell.append(["exec", "chroot", user, str(root), *told])
        spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec"]
        inside_of = ["ip", "netns", "exec", self.network] if self.network else []
        return [*inside_of, *spaces, "\n".join(map(shlex.join, shell))]

    def run(self, *words: str) -> str:
        """Run it to its end; what it printed."""
        done = subprocess.run(self.command(words), capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(
                f"{shlex.join(words)[:200]} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
            )
        return done.stdout


def python_of_this_machine() -> str:
    """A Python 3.11 that every user may run, to stand for the base image's."""
    for path in ("/usr/local/bin/python3.11", "/usr/bin/python3.11"):
        command = [path, "-c", "import ensurepip, venv"]
        if Path(path).exists() and not subprocess.run(command, check=False).returncode:
            return path
    sys.exit("Python 3.11 with venv is missing: apt-get install python3.11-venv")


def build(dockerfile: Path, context: Path, folder: Path) -> Image:
    """Carry out a Dockerfile's lines: those that ours has."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE).replace("\\\n", "")
    stages: dict[str, Image] = {}
    image = Image(folder)
    for line in filter(None, map(str.strip, text.splitlines())):
        what, _, rest = line.partition(" ")
        match what:
            case "FROM":
                name = rest.partition(" AS ")[2] or "last"
                image = stages[name] = Image(folder / name)
                python = image.within("/usr/local/bin/python")
                python.parent.mkdir(parents=True)
                python.symlink_to(python_of_this_machine())
            case "WORKDIR":
                image.workdir = rest
                image.within(".").mkdir(parents=True, exist_ok=True)
            case "USER":
                image.user = rest
            case "ENV":
                told = dict(
                    each.split("=", 1)
                    for each in shlex.split(rest.replace("$PATH", image.env["PATH"]))
                )
                image.env |= told
            case "COPY":
                _copy(shlex.split(rest), context, image, stages)
            case "RUN":
                handed = {k: v for k, v in os.environ.items() if HANDED_ON.fullmatch(k)}
                step = Container(image, folder / "step", env=handed, layer=image.upper)
                step.run("sh", "-c", rest)
            case "ENTRYPOINT":
                image.entrypoint = json.loads(rest)
            case "VOLUME" | "CMD":
                pass
            case _:
                sys.exit(f"tests/deploy/image.py does not know {what}: {line}")
    return image


def _copy(words: list[str], context: Path, image: Image, stages: dict[str, Image]) -> None:
    *sources, into = words
    if sources[0].startswith("--from="):
        other = stages[sources.pop(0).removeprefix("--from=")]
        image.within(into).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", other.within(sources[0]), image.within(into)], check=True)
        return
    for source in sources:
        target = image.within(into) / (Path(source).name if into.endswith("/") else "")
        target.parent.mkdir(parents=True, exist_ok=True)
        if (context / source).is_dir():
            shutil.copytree(context / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(context / source, target)
