"""How much is kept in memory: what does not fit is a clear errno, and what was there is as good as before."""

import errno
import os
import resource

import pytest

from editing import Desk, changed, comments, failure_of, manifest, open_to_write, save, without_comments, write_all

MIB = 1 << 20
FILES, RESERVED_FILES = 10000, 1000
BYTES, RESERVED_BYTES, FILE_BYTES = 256 * MIB, 64 * MIB, 64 * MIB
REJECTED, REJECTED_BYTES = 100, 32 * MIB
# What an object's text may have at most is more than the server takes, and less than this.
DRAFT_BYTES = 3 * MIB


@pytest.fixture
def desk(cluster):
    """A mount of a test's own: it is filled up."""
    with Desk(cluster) as made:
        yield made
        made.close_left()
        made.check_alive()


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def check_saves(item, descriptor, text):
    """A draft that was open, and written to, before there was no more room."""
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    write_all(descriptor, text)
    os.close(descriptor)
    item.check_saved()


def test_bytes(desk):
    """Scratch files cannot keep anybody from saving; drafts can fill what is theirs, and lose nothing by it."""
    item = desk.config_map(key="one")
    text = changed(item)
    early = open_to_write(item.file)
    write_all(early, text[:50])
    scratch = [desk.directory() / f".{number}.swp" for number in range(BYTES // FILE_BYTES + 1)]
    block = os.urandom(MIB)
    # One file's own limit.
    with open(scratch[0], "wb", buffering=0) as file:
        assert failure_of(os.pwrite, file.fileno(), b"x", FILE_BYTES) == errno.EFBIG
        assert failure_of(os.ftruncate, file.fileno(), FILE_BYTES + 1) == errno.EFBIG
        assert failure_of(os.posix_fallocate, file.fileno(), 0, FILE_BYTES + 1) == errno.EFBIG
    # That of all: no memory of ours is spent on what they hold.
    with open(scratch[0], "r+b", buffering=0) as file:
        file.truncate(0)
    code = 0
    for path in scratch:
        try:
            with open(path, "wb", buffering=0) as file:
                file.truncate(FILE_BYTES - 8 * MIB)
                os.pwrite(file.fileno(), block, 0)
        except OSError as error:
            code = error.errno
            break
    assert code == errno.ENOSPC
    for path in scratch[:-1]:
        with open(path, "rb") as file:
            assert file.read(MIB) == block
    later = desk.directory() / "later.yaml"
    drafts = []
    draft_block = b"# " + b"x" * (DRAFT_BYTES - 3) + b"\n"
    try:
        while True:
            assert len(drafts) <= (RESERVED_BYTES + FILE_BYTES) // DRAFT_BYTES + 1
            drafts.append(os.open(later.with_name(f"draft-{len(drafts)}.yaml"), os.O_WRONLY | os.O_CREAT, 0o644))
            code = outcome_of_write(drafts[-1], draft_block)
            if code:
                break
        assert code == errno.ENOSPC and len(drafts) > RESERVED_BYTES // DRAFT_BYTES // 2
        # Half of it would be valid, perhaps: it is not saved, and its close says so.
        assert failure_of(os.close, drafts.pop()) == errno.ENOSPC
        # An older one is whole, and can be saved as it is; so can one that was opened before all this.
        os.pwrite(drafts[0], manifest().encode(), 0)
        os.ftruncate(drafts[0], len(manifest()))
        os.fsync(drafts[0])
        assert desk.find("configmaps", "draft-0").stored()["data"] == {"key": "one"}
        check_saves(item, early, text)
    finally:
        for draft in drafts:
            os.ftruncate(draft, 0)
            os.close(draft)
        for path in scratch:
            path.unlink(missing_ok=True)
    assert {name for name in desk.listing() if name.endswith(".swp")} == set()
    create_and_remove(scratch[0], block)


def outcome_of_write(descriptor, data):
    try:
        write_all(descriptor, data)
    except OSError as error:
        return error.errno
    return 0


def create_and_remove(path, data):
    path.write_bytes(data)
    assert path.read_bytes() == data
    path.unlink()


def test_number_of_files(desk, many_descriptors):
    """Of scratch files and links, and then of drafts, which have a reserve."""
    item, other = desk.config_map(key="one"), desk.config_map(key="one")
    text = changed(item)
    early = open_to_write(item.file)
    write_all(early, text)
    folder = os.open(desk.directory(), os.O_RDONLY | os.O_DIRECTORY)
    made = 0
    try:
        while made <= FILES:
            os.symlink("x", f".{made}", dir_fd=folder)
            made += 1
    except OSError as error:
        assert error.errno == errno.ENOSPC
    assert made == FILES - 1, "the draft is one, too"
    assert failure_of(create_scratch, folder) == errno.ENOSPC
    # That is no reason not to save.
    save(other.file, changed(other))
    other.check_saved()
    drafts = []
    try:
        while len(drafts) <= RESERVED_FILES:
            drafts.append(os.open(f"draft-{len(drafts)}.yaml", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=folder))
    except OSError as error:
        assert error.errno == errno.ENOSPC
    assert len(drafts) == RESERVED_FILES
    assert failure_of(open_to_write, other.file) == errno.ENOSPC
    assert "too many files" in desk.mount.errors()
    os.close(early)
    item.check_saved()
    os.write(drafts[0], manifest().encode())
    os.close(drafts.pop(0))
    assert desk.find("configmaps", "draft-0").stored()["data"] == {"key": "one"}
    for draft in drafts:
        os.close(draft)
    for number in range(1, RESERVED_FILES):
        os.unlink(f"draft-{number}.yaml", dir_fd=folder)
    for number in range(made):
        os.unlink(f".{number}", dir_fd=folder)
    os.close(folder)
    create_and_remove(desk.directory() / ".again.swp", b"x")


def create_scratch(folder):
    os.close(os.open(".one-more.swp", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=folder))


def rejected_names(desk):
    return {name for name in desk.listing() if ".rejected" in name}


def test_number_of_rejected_texts(desk):
    """The oldest makes room, and that is told."""
    folder = desk.directory()
    texts = {f"text-{number}.yaml": f"not: [an object {number}\n" for number in range(REJECTED + 3)}
    for name, text in texts.items():
        assert failure_of(save, folder / name, text, os.O_CREAT) == errno.EINVAL
    names = list(texts)
    assert rejected_names(desk) == {f"{name}.rejected" for name in names[3:]}
    for name in names[3], names[-1]:
        assert without_comments((folder / f"{name}.rejected").read_text()) == texts[name]
    for name in names[:3]:
        assert f"{name}: the refused text made room" in desk.mount.errors()
    # Those that are left are as good as ever.
    save(folder / f"{names[3]}.rejected", manifest())
    assert desk.find("configmaps", "text-3").stored()["data"] == {"key": "one"}
    for name in rejected_names(desk):
        (folder / name).unlink()


def test_bytes_of_rejected_texts(desk):
    folder = desk.directory()
    padding = "# " + "x" * (DRAFT_BYTES - 30) + "\n"
    count = REJECTED_BYTES // DRAFT_BYTES
    memory = desk.mount.resident_bytes()
    for number in range(count + 3):
        text = f"not: [an object {number}\n{padding}"
        assert failure_of(save, folder / f"text-{number}.yaml", text, os.O_CREAT) == errno.EINVAL
    left = rejected_names(desk)
    assert left == {f"text-{number}.yaml.rejected" for number in range(3, count + 3)}
    assert sum((folder / name).stat().st_size for name in left) <= REJECTED_BYTES
    assert without_comments((folder / f"text-{count + 2}.yaml.rejected").read_text()) == text
    assert comments((folder / "text-3.yaml.rejected").read_text())
    assert desk.mount.resident_bytes() - memory < 200 * MIB
    for name in left:
        (folder / name).unlink()
