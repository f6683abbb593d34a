"""Files and folders appear whole or not at all, and refusals of the operating system are explained."""

import errno
from pathlib import Path

import pytest

from vqtool.core.atomic import atomic_folder, explained_os_errors, explained_refusals, refusal, write_atomic
from vqtool.errors import DataError, VqtoolError


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, "old")
    write_atomic(path, "néw")
    assert path.read_bytes() == "néw".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(VqtoolError, match=r"cannot write .*a\.json: no space left"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_only_when_its_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "folder"
    with atomic_folder(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
    assert (target / "a").read_text() == "1"
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "other") as folder:
        (folder / "a").write_text("1")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    with pytest.raises(VqtoolError, match="exists already"), atomic_folder(target):
        pass


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EIO])
def test_refusals_say_what_to_do(number: int) -> None:
    with pytest.raises(VqtoolError, match="cannot write x: "), explained_os_errors(Path("x")):
        raise OSError(number, "")


def test_errors_that_are_not_about_writing_pass_through() -> None:
    with pytest.raises(ConnectionResetError), explained_os_errors(Path("x")):
        raise ConnectionResetError(errno.ECONNRESET, "")


def test_a_refusal_to_read_is_not_damage(tmp_path: Path) -> None:
    """Permissions would not stop a test that runs as root; a link to itself and a long name stop everybody."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path, reason in ((loop, "leads to itself"), (tmp_path / ("x" * 300), "too long")):
        with pytest.raises(DataError, match=rf"cannot use .*: .*{reason}"), explained_refusals(DataError):
            path.read_bytes()
    assert "permission denied" in str(refusal(PermissionError(errno.EACCES, "", "file")))
    with pytest.raises(FileNotFoundError), explained_refusals():
        (tmp_path / "absent").read_bytes()
