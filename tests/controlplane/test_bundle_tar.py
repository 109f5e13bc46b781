"""The tar that agents pull: the same bytes for the same files, and nothing is taken but a whole release."""

import io
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.bundle import Bundle
from controlplane.publishing import bundle_tar
from controlplane.publishing.bundle_tar import BadTar, Contents, pack, unpack

BUNDLE = Bundle({"prometheus/prometheus.yml": "global: {}\n", "grafana/dashboards/" + "ü" * 90 + ".json": "{}"})
HASH = BUNDLE.hash
PATHS = st.from_regex(r"[a-z]{1,8}/[\w ]{1,120}\.yml", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@settings(max_examples=20, deadline=None)
@given(files=st.dictionaries(PATHS, TEXTS, min_size=1), targets=st.dictionaries(st.just("model-inference.json"), TEXTS))
def test_what_is_packed_comes_out_and_the_order_does_not_matter(files: dict[str, str], targets: dict[str, str]) -> None:
    contents = Contents(Bundle(files), targets)
    assert unpack(pack(contents)) == contents
    backwards = Contents(Bundle(dict(reversed(files.items()))), targets)
    assert pack(backwards) == pack(contents)


def tar(*members: tuple[str, str] | tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as made:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                made.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1].encode())
            made.addfile(info, io.BytesIO(member[1].encode()))
    return packed.getvalue()


def whole(*more: tuple[str, str] | tarfile.TarInfo) -> bytes:
    return tar(*((f"releases/{HASH}/{path}", text) for path, text in BUNDLE.files.items()), *more)


def named(name: str, **attributes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


SPARSE = {"pax_headers": {"GNU.sparse.map": "0,1", "GNU.sparse.size": "9" * 15}}
WRONG = {
    "no tar": (b"<html>502</html>" * 100, "can't be read"),
    "nothing": (b"", "can't be read"),
    # How much of it is read before that shows differs from one Python to the next.
    "cut off": (whole()[:1600], "can't be read|instead of one|not those of release"),
    "no release": (tar(("targets/node.json", "[]")), "0 releases"),
    "two releases": (whole((f"releases/{'0' * 64}/a.yml", "x")), "2 releases"),
    "a file changed": (tar((f"releases/{HASH}/prometheus/prometheus.yml", "global: {x: 1}\n")), "not those of release"),
    "a file too many": (whole((f"releases/{HASH}/prometheus/rules/x.yml", "groups: []")), "not those of release"),
    "a file twice": (whole((f"releases/{HASH}/prometheus/prometheus.yml", "global: {}\n")), "there twice"),
    "out of the release": (whole((f"releases/{HASH}/../../../etc/passwd", "root")), "no path inside a bundle"),
    "out of the targets": (whole(("targets/../agent.json", "{}")), "belongs neither"),
    "an absolute path": (whole(("/etc/cron.d/x", "* * * * *")), "belongs neither"),
    "another folder": (whole(("secrets/bundle_token", "x")), "belongs neither"),
    "a name that is no name": (whole((f"releases/{HASH}/a\x01b", "x")), "no name of a file"),
    "the targets' own name": (whole((f"releases/{HASH}/prometheus/targets", "x")), "no path inside a bundle"),
    "a symbolic link": (whole(named("targets/x.json", type=tarfile.SYMTYPE, linkname="/etc")), "not a plain file"),
    "a hard link": (whole(named("targets/x.json", type=tarfile.LNKTYPE, linkname="/etc/shadow")), "not a plain file"),
    "a device": (whole(named("targets/x.json", type=tarfile.CHRTYPE)), "not a plain file"),
    "a sparse file": (whole(named("targets/x.json", **SPARSE)), "not a plain file"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_tar_is_not_taken(kind: str) -> None:
    packed, says = WRONG[kind]
    with pytest.raises(BadTar, match=says):
        unpack(packed)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(whole()) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_damage_is_never_taken_for_a_release_nor_for_a_fault_of_ours(damages: list[tuple[int, int]]) -> None:
    packed = bytearray(whole())
    for place, byte in damages:
        packed[place] = byte
    with suppress(BadTar):
        assert unpack(bytes(packed)).bundle == BUNDLE  # damage to what nobody reads: padding, an owner's name


def test_bytes_that_are_no_text_are_not_taken() -> None:
    info = tarfile.TarInfo("targets/x.json")
    info.size = 2
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        made.addfile(info, io.BytesIO(b"\xff\xfe"))
    with pytest.raises(BadTar, match="utf-8"):
        unpack(packed.getvalue())


def test_a_tar_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_tar, "MAX_BYTES", 4000)
    with pytest.raises(BadTar, match="larger than 4000 bytes"):
        unpack(whole())
    monkeypatch.setattr(bundle_tar, "MAX_BYTES", 10**6)
    monkeypatch.setattr(bundle_tar, "MAX_FILES", 1)
    with pytest.raises(BadTar, match="more than 1 files"):
        unpack(whole())
