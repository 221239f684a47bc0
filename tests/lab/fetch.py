"""Brings newer engines onto this machine, unpacked in a cache folder and installed nowhere.

Packages come from the mirror that the machine's own apt uses, through an apt with folders of its own: the suite is
another, the system's package lists and status stay untouched. No maintainer script runs. Refuses to guess a mirror: a
machine whose apt knows none of Debian cannot fetch.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab import user
from tests.lab.commands import run

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_CODENAMES = {"bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable", "oldstable"}
_TOOLS = ("bash", "coreutils", "util-linux", "mount", "iptables", "procps")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which suite an engine comes from, in which packages, and the program that must be there in the end.

    `newest`: packages, by patterns, that are taken from `experimental` where that has newer ones.
    """

    suite: str
    packages: tuple[str, ...]
    program: str
    newest: tuple[str, ...] = ()


RECIPES = {
    "20.10": Recipe("bookworm", ("docker.io", *_TOOLS), "usr/sbin/dockerd"),
    "26.1": Recipe("trixie", ("docker.io", *_TOOLS), "usr/sbin/dockerd"),
    "28.5": Recipe("sid", ("docker.io", *_TOOLS), "usr/sbin/dockerd"),
    "podman": Recipe("sid", ("podman", "crun", *_TOOLS), "usr/bin/podman"),
    # Docker and Podman for a user without privileges.
    "rootless": Recipe(
        "sid",
        ("docker.io", "rootlesskit", "slirp4netns", "iproute2", "uidmap", "podman", "crun", *_TOOLS),
        "usr/bin/rootlesskit",
        newest=("podman",),
    ),
}


class CannotFetch(RuntimeError):
    """An engine cannot be brought here; the message says why."""


def cache_folder() -> Path:
    """Where engines are kept: `$XDG_CACHE_HOME/ullage-lab`, else below /var/cache."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    return Path(chosen or "/var/cache") / "ullage-lab"


def root_of(version: str) -> Path:
    """The root folder of an unpacked engine, whether it is there or not."""
    return cache_folder() / version / "root"


def is_here(version: str) -> bool:
    """Whether the engine is unpacked and whole."""
    return version in RECIPES and (root_of(version) / RECIPES[version].program).exists()


def fetch(version: str) -> Path:
    """Download and unpack an engine, unless it is there; gives back its root folder. 150 to 250 MB, about a minute.

    Raises `CannotFetch`, `CommandFailed`.
    """
    recipe = RECIPES.get(version)
    if recipe is None:
        raise CannotFetch(f"no recipe for engine {version} (there are {', '.join(RECIPES)})")
    home = cache_folder() / version
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_here(version):
            archives = _download(home, recipe)
            fresh = home / "unpacking"
            shutil.rmtree(fresh, ignore_errors=True)
            _unpack(archives, fresh)
            # An engine is there as a whole or not at all.
            fresh.replace(root_of(version))
            shutil.rmtree(home / "apt")
    if not is_here(version):
        raise CannotFetch(f"suite {recipe.suite} brought no {recipe.program}")
    return root_of(version)


def mirror() -> str:
    """The Debian mirror in this machine's own apt sources. Raises `CannotFetch`."""
    fields = "$(LABEL)|$(RELEASE)|$(REPO_URI)"
    for line in run("apt-get", "indextargets", "--format", fields, "Created-By: Packages").splitlines():
        label, release, address = line.split("|")
        # The label is only known where package lists were fetched; an image for CI often comes without.
        is_debian = label == "Debian" or (label == "$(LABEL)" and release in _CODENAMES)
        if is_debian and "security" not in release:
            return address
    raise CannotFetch("this machine's apt has no Debian mirror among its sources")


def _download(home: Path, recipe: Recipe) -> list[Path]:
    apt = home / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    # An empty status: nothing counts as installed, so that every dependency down to libc6 is brought.
    (apt / "state" / "status").write_text("")
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    suites = (recipe.suite, *(("experimental",) if recipe.newest else ()))
    (apt / "sources").write_text("".join(f"deb {signed}{mirror()} {suite} main\n" for suite in suites))
    preferred = f"Package: {' '.join(recipe.newest)}\nPin: release a=experimental\nPin-Priority: 990\n"
    (apt / "preferences").write_text(preferred if recipe.newest else "")
    settings = {
        "Dir::Etc::sourcelist": apt / "sources",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferences": apt / "preferences",
        "Dir::Etc::preferencesparts": "-",
        "Dir::State": apt / "state",
        "Dir::State::status": apt / "state" / "status",
        "Dir::Cache": apt / "cache",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    run("apt-get", *options, "update", timeout_s=600)
    run("apt-get", *options, "--yes", "--download-only", "install", *recipe.packages, timeout_s=1800)
    return sorted((apt / "cache" / "archives").glob("*.deb"))


def _unpack(archives: list[Path], root: Path) -> None:
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for archive in archives:
        with subprocess.Popen(("dpkg-deb", "--fsys-tarfile", archive), stdout=subprocess.PIPE) as packed:
            subprocess.run(("tar", "-x", "--keep-directory-symlink", "-C", root), stdin=packed.stdout, check=True)
        if packed.returncode != 0:
            raise CannotFetch(f"{archive.name} cannot be unpacked")
    for name, line in user.FILES.items():
        (root / "etc" / name).write_text((Path("/etc") / name).read_text() + line)
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")  # RootlessKit begins with it
    (root / "etc" / "resolv.conf").touch()
    # Podman reads no image without one.
    policy = root / "etc" / "containers" / "policy.json"
    policy.parent.mkdir(exist_ok=True)
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    run("ldconfig", "-r", root)
