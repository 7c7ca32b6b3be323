#!/usr/bin/env python3
"""Checks the Containerfile without an engine: does what it says in a scratch directory, and runs it.

    tools/check-container.py BIN [--build]

BIN holds the two programs. With --build they are built anew from the files that an engine would get,
as the Containerfile says. This machine stands in for the base images: for their compiler, and for the
libraries that the last one has. It takes root, to run the hub as the image's user in a root and a
network of its own; where that is not allowed the rest is checked.
"""

import fnmatch
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
BIN, BUILD = pathlib.Path(sys.argv[1]).resolve(), "--build" in sys.argv[2:]
# What gcr.io/distroless/cc-debian12 has.
LIBRARIES = ("ld-linux", "libc.so", "libm.so", "libgcc_s.so", "libpthread.so", "libdl.so", "linux-vdso")


def fail(problem):
    sys.exit(f"Containerfile: {problem}")


def instructions():
    """Pairs of a word and its arguments."""
    text = (TOP / "Containerfile").read_text().replace("\\\n", " ")
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [tuple(line.split(None, 1)) for line in lines]


def ignored(path, rules):
    """Whether .dockerignore leaves a path out: the last rule about it, or about a folder above, counts."""
    out = False
    for rule in rules:
        pattern = rule.lstrip("!")
        above = (path, *path.parents)
        if any(fnmatch.fnmatchcase(str(part), pattern) and str(part) != "." for part in above):
            out = not rule.startswith("!")
    return out


def copy_context(to):
    """Copies what an engine would be given."""
    lines = (TOP / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=TOP, text=True
    )
    for name in map(pathlib.Path, listed.splitlines()):
        if (TOP / name).is_file() and not ignored(name, rules):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, to / name)


class Stage:
    """A root that is put together."""

    def __init__(self, base, root):
        self.base, self.root, self.directory = base, root, "/"
        self.env, self.user, self.start, self.seen = {}, "0:0", None, set()
        root.mkdir()

    def path(self, inside):
        return self.root / os.path.join(self.directory, inside).lstrip("/")

    def run(self, command):
        first = shlex.split(command)
        if first[0] == "apt-get":
            return  # The base image's packages: this machine has them.
        if first[0] == "mkdir":
            self.path(first[1]).mkdir(parents=True)
        elif first[:2] == ["cargo", "build"]:
            source, release = self.path("."), self.path("target/release")
            if BUILD:
                env = {**os.environ, "CARGO_TARGET_DIR": str(TOP / "target")}
                subprocess.run(first, cwd=source, env=env, check=True)
            else:
                # That no file is missing which the manifest names.
                command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--offline"]
                subprocess.run(command, cwd=source, stdout=subprocess.DEVNULL, check=True)
            release.mkdir(parents=True)
            for program in ("chinwag", "chinwagd"):
                shutil.copy2((TOP / "target/release" if BUILD else BIN) / program, release)
        else:
            fail(f"tools/check-container.py does not know how to run {command!r}")

    def copy(self, arguments, stages):
        words = shlex.split(arguments)
        options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        *sources, last = (word for word in words if not word.startswith("--"))
        to = self.path(last)
        if sources == ["."]:
            return copy_context(to)
        for source in sources:
            found = stages[options["from"]].path(source) if "from" in options else TOP / source
            if found.is_dir():
                shutil.copytree(found, to, dirs_exist_ok=True)
            else:
                target = to / found.name if last.endswith("/") or len(sources) > 1 else to
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, target)
        if "chown" in options and os.geteuid() == 0:
            os.chown(to, *map(int, options["chown"].split(":")))


def build(scratch):
    """Does all instructions, and returns the last stage."""
    stages, stage = {}, None
    for word, arguments in instructions():
        if word == "FROM":
            base, *name = arguments.split(" AS ")
            stage = Stage(base, scratch / str(len(stages)))
            stages[name[0] if name else "last"] = stage
        elif word == "RUN":
            stage.run(arguments)
        elif word == "COPY":
            stage.copy(arguments, stages)
        elif word == "WORKDIR":
            stage.directory = arguments
            stage.path(".").mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            stage.env.update(pair.split("=", 1) for pair in shlex.split(arguments))
        elif word == "USER":
            stage.user = arguments
        elif word == "ENTRYPOINT":
            stage.start = json.loads(arguments)
        elif word not in ("VOLUME", "EXPOSE", "STOPSIGNAL"):
            fail(f"tools/check-container.py does not know {word}")
        stage.seen.add((word, arguments))
    if "bookworm" not in stages["build"].base or "debian12" not in stage.base:
        fail("the programs must be built with the libc that they run with")
    return stage


def add_libraries(stage):
    """Copies the libraries that the last base image has."""
    for program in ("chinwag", "chinwagd"):
        listed = subprocess.check_output(["ldd", stage.path(f"/usr/local/bin/{program}")], text=True)
        for line in listed.splitlines():
            name = os.path.basename(line.split()[0])
            if not name.startswith(LIBRARIES):
                fail(f"{program} wants {name}, which the base image does not have")
            paths = [word for word in line.split() if word.startswith("/")]
            for path in paths:
                stage.path(path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(os.path.realpath(path), stage.path(path))


def check_run(stage):
    """Starts the hub as an engine would, asks it for its link, and stops it."""
    chroot = shutil.which("chroot")
    inside = ["unshare", "--net", chroot, f"--userspec={stage.user}", stage.root]
    if subprocess.run(["unshare", "--net", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("without the right to make a network namespace the image is not run", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") == "true" else 0)
    hub = subprocess.Popen([*inside, *stage.start], env=stage.env, stdout=subprocess.PIPE, text=True)
    said = hub.stdout.readline()
    if not said.startswith(f"chinwagd listening on {stage.env['CHINWAG_HUB_LISTEN']}"):
        fail(f"the hub said {said!r}")
    link = subprocess.check_output([*inside, *stage.start, "link"], env=stage.env, text=True)
    if not link.startswith("chinwag://"):
        fail(f"the link is {link!r}")
    data = stage.path(stage.env["CHINWAG_HUB_DATA_DIR"])
    uid = int(stage.user.split(":")[0])
    for path in (data, *data.iterdir()):
        if path.stat().st_uid != uid:
            fail(f"{path.name} does not belong to the user of the image")
    if not (data / "log.db").exists():
        fail("there is no log in the volume")
    hub.send_signal(signal.SIGTERM)
    if (code := hub.wait(30)) != 0:
        fail(f"the hub ended with {code}")


with tempfile.TemporaryDirectory() as scratch:
    # The user of the image has to get at its root.
    os.chmod(scratch, 0o755)
    last = build(pathlib.Path(scratch))
    words = {word for word, _ in last.seen}
    for wanted in ("USER", "VOLUME", "EXPOSE", "ENTRYPOINT", "STOPSIGNAL"):
        if wanted not in words:
            fail(f"{wanted} is missing")
    if last.user.split(":")[0] in ("0", "root"):
        fail("the hub would run as root")
    add_libraries(last)
    check_run(last)
