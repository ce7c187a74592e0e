"""A recorder as a real file system: a small FUSE server of our own, whose files fail, stall, lie and grow as told.

Speaks the kernel's FUSE protocol (7.31) over /dev/fuse directly; root needed. What the agent sees is what a real kernel
makes of a failing device: EIO from read(2), ENOTCONN after the server is gone, read-ahead, page cache and all.
"""

import errno
import os
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CDLL, c_ulong, get_errno
from dataclasses import dataclass, field
from pathlib import Path

_LIBC = CDLL(None, use_errno=True)
_IN_HEADER = struct.Struct("<IIQQIIII")
_OUT_HEADER = struct.Struct("<IiQ")
_ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _STATFS, _RELEASE = 1, 2, 3, 14, 15, 17, 18
_INIT, _OPENDIR, _READDIR, _RELEASEDIR, _ACCESS, _INTERRUPT, _BATCH_FORGET, _FLUSH = 26, 27, 28, 29, 34, 36, 42, 25
_DIRECT_IO = 1
_MAX_REQUEST_BYTES = (1 << 20) + 4096


@dataclass
class FuseFile:
    """One file; `content` may be replaced at any time, `size` is what stat says."""

    content: bytes
    mtime_ns: int = 1_700_000_000_000_000_000
    size: int | None = None
    direct: bool = False  # reads go past the page cache, beyond `size` too
    fail_from: int | None = None  # EIO for every read that reaches this offset
    fail_until: int = 1 << 62
    on_read: Callable[[int], None] = lambda _offset: None
    reads: int = 0

    @property
    def told_size(self) -> int:
        """What stat says."""
        return len(self.content) if self.size is None else self.size


@dataclass
class FuseRecorder:
    """A mounted recorder with files in its root folder."""

    folder: Path
    files: dict[bytes, FuseFile]
    _fd: int
    answers: threading.Event = field(default_factory=threading.Event)  # cleared: it hangs, at every stat too
    _replying: threading.Lock = field(default_factory=threading.Lock)
    _served: bool = True
    _server: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        """Start answering the kernel; `pull_out` ends it."""
        self.answers.set()
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()

    def pull_out(self) -> None:
        """Be gone in the middle of whatever is going on, as a yanked device is; may be called again."""
        _LIBC.umount2(os.fsencode(self.folder), 1 | 2)  # MNT_FORCE | MNT_DETACH: the connection ends, open files fail
        self._server.join(timeout=5)
        self.answers.set()

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self._fd, _MAX_REQUEST_BYTES)
            except OSError as error:
                if error.errno == errno.EINTR:
                    continue
                break  # unmounted
            threading.Thread(target=self._answer_safely, args=(request,), daemon=True).start()
        # Only the reader closes, and no answer is under way then: on the next line the number may be another file's.
        with self._replying:
            self._served = False
            os.close(self._fd)

    def _reply(self, message: bytes) -> None:
        with self._replying:
            if self._served:
                os.write(self._fd, message)

    def _answer_safely(self, request: bytes) -> None:
        _, opcode, unique, node, _, _, _, _ = _IN_HEADER.unpack_from(request)
        if opcode in {_FORGET, _BATCH_FORGET, _INTERRUPT}:
            return
        self.answers.wait()
        try:
            body = self._answer(opcode, node, request[_IN_HEADER.size :])
            number = 0
        except OSError as error:
            body, number = b"", -(error.errno or errno.EIO)
        try:
            self._reply(_OUT_HEADER.pack(_OUT_HEADER.size + len(body), number, unique) + body)
        except OSError:
            return  # the request was given up meanwhile

    def _answer(self, opcode: int, node: int, body: bytes) -> bytes:  # noqa: PLR0911 - one line an operation
        if opcode == _INIT:
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 128 << 10, 0, 16, 12, 128 << 10, 1, 0, 0, 0)
        if opcode == _LOOKUP:
            name = body.rstrip(b"\0")
            if name not in self.files:
                raise OSError(errno.ENOENT, "no such file")
            number = 2 + list(self.files).index(name)
            return struct.pack("<QQQQII", number, 0, 0, 0, 0, 0) + self._attr(number)
        if opcode == _GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self._attr(node)
        if opcode == _OPENDIR:
            return struct.pack("<QII", 0, 0, 0)
        if opcode == _OPEN:
            return struct.pack("<QII", 0, _DIRECT_IO if self._file(node).direct else 0, 0)
        if opcode == _READDIR:
            _, offset, size = struct.unpack_from("<QQI", body)
            return self._entries(offset, size)
        if opcode == _READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            return self._read(self._file(node), offset, size)
        if opcode == _STATFS:
            return struct.pack("<QQQQQIIII24x", 1 << 20, 1 << 19, 1 << 19, 1000, 900, 4096, 255, 4096, 0)
        if opcode in {_RELEASE, _RELEASEDIR, _ACCESS, _FLUSH}:
            return b""
        raise OSError(errno.ENOSYS, "not served")

    def _file(self, node: int) -> FuseFile:
        return list(self.files.values())[node - 2]

    def _attr(self, node: int) -> bytes:
        if node == 1:
            mode, size, mtime_ns = stat.S_IFDIR | 0o755, 4096, 0
        else:
            file = self._file(node)
            mode, size, mtime_ns = stat.S_IFREG | 0o644, file.told_size, file.mtime_ns
        seconds, nanos = divmod(mtime_ns, 10**9)
        return _ATTR.pack(
            node, size, (size + 511) // 512, seconds, seconds, seconds, nanos, nanos, nanos, mode, 1, 0, 0, 0, 4096, 0
        )

    def _entries(self, offset: int, size: int) -> bytes:
        names = [b".", b"..", *self.files]
        result = b""
        for place, name in enumerate(names[offset:], start=offset):
            entry = struct.pack("<QQII", max(place, 1), place + 1, len(name), 0) + name
            entry += bytes(-len(entry) % 8)
            if len(result) + len(entry) > size:
                break
            result += entry
        return result

    def _read(self, file: FuseFile, offset: int, size: int) -> bytes:
        file.reads += 1
        file.on_read(offset)
        if file.fail_from is not None and offset < file.fail_until and offset + size > file.fail_from:
            raise OSError(errno.EIO, "bad spot")
        return file.content[offset : offset + size]


@contextmanager
def fuse_recorder(folder: Path, files: dict[bytes, FuseFile]) -> Iterator[FuseRecorder]:
    """Mount a recorder with these files at `folder` for the block."""
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other,max_read={128 << 10}"
    # read-only, no set-uid, no devices, no programs: as the agent itself mounts
    if _LIBC.mount(b"recorder", os.fsencode(folder), b"fuse", c_ulong(1 | 2 | 4 | 8), options.encode()):
        os.close(fd)
        raise OSError(get_errno(), "cannot mount FUSE")
    recorder = FuseRecorder(folder, dict(files), fd)
    try:
        yield recorder
    finally:
        recorder.pull_out()
