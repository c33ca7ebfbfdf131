"""Docker archives made by hand, and the key of the golden containerd root."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from topologies.lab.build import images
from topologies.lab.build.apt import Debian, DebianError
from topologies.lab.build.archive import Image, Link, write_archive, write_tar
from topologies.lab.build.binaries import Binaries
from topologies.lab.build.container_runtime import ContainerRuntime
from topologies.lab.build.images import (
    AGNHOST,
    BUSYBOX_SUITE,
    PAUSE,
    ImagesError,
    agnhost_image,
    busybox,
    golden,
    libraries,
    pause_image,
)
from topologies.schema.topology import Images, Version

LDD = """\
	linux-vdso.so.1 (0x00007f00d6efc000)
	libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f00d6dd7000)
	libodd.so => /usr/lib/x86_64-linux-gnu/libodd.so (0x00007f00d6dd7000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f00d6efe000)
"""


def silent(_: str) -> None:
    pass


@pytest.fixture
def image(tmp_path: Path) -> Image:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    return Image("hairpin.local/x:1", "/x", {"x": program, "bin/sh": Link("../x"), "etc/passwd": b"root\n"})


@pytest.fixture
def binaries(tmp_path: Path) -> Binaries:
    (tmp_path / "agnhost").write_bytes(b"agnhost")
    return Binaries(tmp_path, Version(1, 20, 2), tmp_path / "agnhost")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache" / "images").mkdir(parents=True)
    (tmp_path / "cache" / "images" / f"busybox-{BUSYBOX_SUITE}").write_bytes(b"busybox")
    return tmp_path / "cache"


def test_an_archive_names_its_config_and_layer_by_their_hashes(image: Image, tmp_path: Path) -> None:
    with tarfile.open(write_archive(image, tmp_path / "x.tar")) as tar:
        names = tar.getnames()
        files = {name: handle.read() for name in names if (handle := tar.extractfile(name))}
    (manifest,) = json.loads(files["manifest.json"])
    config = json.loads(files[manifest["Config"]])

    assert manifest["RepoTags"] == ["hairpin.local/x:1"]
    assert manifest["Config"] == f"{sha256(files[manifest['Config']]).hexdigest()}.json"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{sha256(files['layer.tar']).hexdigest()}"]
    assert config["config"]["Entrypoint"] == ["/x"]


def test_the_same_inputs_give_the_same_bytes(image: Image, tmp_path: Path) -> None:
    one = write_archive(image, tmp_path / "1.tar").read_bytes()
    program = image.files["x"]
    assert isinstance(program, Path)
    program.touch()

    assert write_archive(image, tmp_path / "2.tar").read_bytes() == one


def test_a_layer_has_folders_before_files_and_belongs_to_root(image: Image, tmp_path: Path) -> None:
    write_tar(tmp_path / "layer", image.files)
    with tarfile.open(tmp_path / "layer") as tar:
        entries = {entry.name: entry for entry in tar}

    assert list(entries).index("bin") < list(entries).index("bin/sh")
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 0)}
    modes = {name: entries[name].mode for name in ("tmp", "x", "etc/passwd")}
    assert modes == {"tmp": 0o1777, "x": 0o755, "etc/passwd": 0o644}
    assert entries["bin/sh"].linkname == "../x"


def test_the_digest_changes_with_any_input(image: Image) -> None:
    others = [
        Image("other", image.entrypoint, image.files),
        Image(image.name, image.entrypoint, {**image.files, "etc/passwd": b"else"}),
        Image(image.name, image.entrypoint, {**image.files, "bin/sh": Link("/x")}),
        Image(image.name, image.entrypoint, {**image.files, "more": b""}),
        Image(image.name, image.entrypoint, image.files, ("pause",)),
    ]

    assert len({image.digest(), *(other.digest() for other in others)}) == 6


def test_an_image_has_the_arguments_of_a_container_that_declares_none(image: Image, tmp_path: Path) -> None:
    archive = write_archive(replace(image, arguments=("pause",)), tmp_path / "image.tar")

    with tarfile.open(archive) as opened:
        name = next(one for one in opened.getnames() if one.endswith(".json") and one != "manifest.json")
        config = json.load(opened.extractfile(name) or pytest.fail(name))["config"]
    assert (config["Entrypoint"], config["Cmd"]) == (["/x"], ["pause"])


def test_libraries_are_found_at_their_merged_usr_places() -> None:
    assert libraries(LDD) == [
        "/lib/x86_64-linux-gnu/libodd.so",
        "/lib/x86_64-linux-gnu/libz.so.1",
        "/lib64/ld-linux-x86-64.so.2",
    ]


def test_the_agnhost_image_holds_curl_its_libraries_and_a_shell(binaries: Binaries, cache: Path) -> None:
    files = agnhost_image(binaries, cache, silent).files

    assert files["agnhost"] == binaries.path("agnhost")
    assert files["bin/sh"] == Link("busybox")
    assert "usr/bin/curl" in files
    assert any(path.startswith("usr/lib/") and "libcurl" in path for path in files)
    assert all(content.is_file() for content in files.values() if isinstance(content, Path))


def test_the_image_name_is_the_one_topologies_expect() -> None:
    assert Images().agnhost == AGNHOST
    assert PAUSE.startswith("hairpin.local/pause:")


def test_the_pause_program_is_small_and_compiled_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = pause_image(cache).files["pause"]
    assert isinstance(program, Path)
    assert program.stat().st_size < 2000

    monkeypatch.setattr("shutil.which", lambda _: None)
    assert pause_image(cache).files["pause"] == program


def test_without_gcc_the_error_has_what_to_install(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)

    with pytest.raises(ImagesError, match=r"apt-get install .*gcc"):
        pause_image(cache)


def test_without_curl_the_error_has_what_to_install(
    binaries: Binaries, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "CURL", cache / "nowhere")

    with pytest.raises(ImagesError, match="apt-get install curl"):
        agnhost_image(binaries, cache, silent)


def test_golden_is_made_once_per_content_and_half_made_ones_are_removed(
    binaries: Binaries, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def unpack(_images: object, _runtime: object, place: Path, *_: object) -> None:
        made.append(place)
        place.mkdir(parents=True)

    monkeypatch.setattr(images, "_unpack", unpack)
    (cache / "golden" / ".hairpin-half").mkdir(parents=True)
    runtime = ContainerRuntime("1.6.20")
    first = golden(binaries, runtime, cache=cache, progress=silent)
    assert golden(binaries, runtime, cache=cache, progress=silent) == first
    newer = golden(binaries, ContainerRuntime("2.2.9"), cache=cache, progress=silent)
    (binaries.directory / "agnhost").write_bytes(b"another")
    other = golden(binaries, runtime, cache=cache, progress=silent)

    assert made == [first, newer, other]
    assert len(set(made)) == len(made)
    assert not (cache / "golden" / ".hairpin-half").exists()


def test_without_a_debian_mirror_the_error_names_the_package(
    binaries: Binaries, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "images" / f"busybox-{BUSYBOX_SUITE}").unlink()
    monkeypatch.setattr("topologies.lab.build.apt.run", lambda _: "http://mirror.example/ other main")

    with pytest.raises(ImagesError, match=r"package busybox-static of the lab's image: repository"):
        agnhost_image(binaries, cache, silent)


def test_busybox_is_of_the_machines_suite_if_the_mirror_has_no_newer_one(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def download(debian: Debian, _package: str, into: Path) -> Path:
        fetched.append(debian.suite)
        if debian.suite == BUSYBOX_SUITE:
            message = "no such suite"
            raise DebianError(message)
        (into / "x/bin").mkdir(parents=True)
        (into / "x/bin/busybox").touch()
        return into

    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"VERSION_CODENAME": "bookworm"})
    monkeypatch.setattr(Debian, "update", lambda _: None)
    monkeypatch.setattr(Debian, "download", download)
    monkeypatch.setattr(images, "run", lambda _: "")
    (cache / "images" / f"busybox-{BUSYBOX_SUITE}").unlink()

    assert busybox(cache, silent) == busybox(cache, silent) == cache / "images" / "busybox-bookworm"
    assert fetched == [BUSYBOX_SUITE, "bookworm"]
