"""Write container images as docker archives, reproducibly: same inputs, same bytes. Needs no docker, no registry.

Source: moby `image/spec/v1.2.md` (the format of `docker save`): manifest.json, a config named by its hash, layers.
"""

from __future__ import annotations

import json
import os
import tarfile
from dataclasses import dataclass
from hashlib import file_digest, sha256
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link in a layer."""

    to: str


Content = bytes | Path | Link


@dataclass(frozen=True, slots=True)
class Image:
    """The content of an image: `files` by path from the root, owned by root, files executable, texts readable."""

    name: str
    entrypoint: str
    files: Mapping[str, Content]
    arguments: tuple[str, ...] = ()
    """What the entrypoint gets in a container that declares no arguments."""

    def digest(self) -> str:
        """Return a hash of the content, equal on every machine with the same inputs."""
        parts = [[path, _content_digest(content)] for path, content in sorted(self.files.items())]
        return sha256(json.dumps([self.name, self.entrypoint, parts, *self.arguments]).encode()).hexdigest()


def write_archive(image: Image, target: Path) -> Path:
    """Write the image as a docker archive and return its path. The same inputs give the same bytes."""
    layer = target.with_suffix(".layer")
    write_tar(layer, image.files)
    with layer.open("rb") as handle:
        digest = file_digest(handle, "sha256").hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Entrypoint": [image.entrypoint], "Cmd": image.arguments, "Env": ["PATH=/bin:/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": "1970-01-01T00:00:00Z"}],
    }
    text = json.dumps(config).encode()
    name = f"{sha256(text).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [image.name], "Layers": ["layer.tar"]}]
    write_tar(target, {"manifest.json": json.dumps(manifest).encode(), name: text, "layer.tar": layer}, folders=())
    layer.unlink()
    return target


def write_tar(
    target: Path,
    files: Mapping[str, Content],
    *,
    folders: tuple[str, ...] = ("tmp", "proc", "sys", "dev", "run", "root"),
) -> None:
    """Write a tar with sorted names, owner root and no times.

    Folders above the files are added. `tmp` is world-writable.
    """
    above = {str(parent) for path in files for parent in PurePosixPath(path).parents if parent.name}
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        for folder in sorted({*above, *folders}):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for path, content in sorted(files.items()):
            _add(tar, path, content)


def _add(tar: tarfile.TarFile, path: str, content: Content) -> None:
    entry = tarfile.TarInfo(path)
    entry.mode = 0o755
    if isinstance(content, Link):
        entry.type, entry.linkname = tarfile.SYMTYPE, content.to
        tar.addfile(entry)
    elif isinstance(content, bytes):
        entry.size, entry.mode = len(content), 0o644
        tar.addfile(entry, BytesIO(content))
    else:
        with content.open("rb") as handle:
            entry.size = os.fstat(handle.fileno()).st_size
            tar.addfile(entry, handle)


def _content_digest(content: Content) -> str:
    if isinstance(content, Link):
        return f"link:{content.to}"
    if isinstance(content, bytes):
        return sha256(content).hexdigest()
    with content.open("rb") as handle:
        return file_digest(handle, "sha256").hexdigest()
