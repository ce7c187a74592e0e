"""A recorder's tree made by somebody who means harm, as far as the file system lets it be made.

Used with a real folder; what Linux itself cannot hold (`/` or NUL in a name) is tried through the functions instead.
"""

import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

LEVELS = 20
CONTENT = b"footage under a hostile name\n"

NAMES: tuple[bytes, ...] = (
    b"..\\..\\etc\\passwd",
    b"...",
    b"-rf .mp4",
    b"~root.mp4",
    b".hidden.mp4",
    b" leading and trailing .mp4 ",
    b"dots....",
    b"new\nline.mp4",
    b"carriage\rreturn.mp4",
    b"tab\t.mp4",
    b"\x1b[2J\x1b[31mred.mp4",
    b"\x1b]0;title\x07.mp4",
    b"bell\x07.mp4",
    b"\x7f\x01\x02.mp4",
    b"c1\xc2\x9b31m.mp4",
    "bidi\u202e4pm.exe".encode(),
    "zero\u200bwidth\ufeff.mp4".encode(),
    "line\u2028separator.mp4".encode(),
    b"\xff\xfe invalid utf-8 \x80.mp4",
    b"overlong\xc0\xae\xc0\xae.mp4",
    b"surrogate\xed\xa0\x80.mp4",
    "执法记录_张三.mp4".encode("gbk"),
    "执法记录_李四.mp4".encode(),
    "emoji_🎥_👮.mp4".encode(),
    "e\u0301.mp4".encode(),
    "\u00e9.mp4".encode(),
    b"x" * 251 + b".mp4",
    "警".encode() * 83 + b".mp4",
    b"CON",
    b"con.mp4",
    b"NUL.txt",
    b"COM1.mp4",
    "LPT\u00b9.mp4".encode(),
    b"AUX ",
    b'<>:"|?*.mp4',
    b"stream.mp4:ads",
    b"$(touch pwned).mp4",
    b"`id`;&|.mp4",
    b"'quote\".mp4",
    b"%s%n%d.mp4",
    b"PROGRA~1.MP4",
    b"UPPER.mp4",
    b"upper.MP4",
    b"{curly}{0}.mp4",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileTree:
    """What was made: every regular file below the root, and every thing that must not be opened."""

    root: Path
    files: frozenset[bytes]  # raw relative paths
    untouchable: frozenset[bytes]  # links, FIFOs, sockets, devices
    deepest: bytes


def hostile_tree(dest: Path, *, small_files: int = 0) -> HostileTree:
    """Make the tree below `dest`, with `small_files` more in one folder."""
    files: set[bytes] = set()
    untouchable: set[bytes] = set()

    def write(path: bytes, content: bytes = CONTENT) -> None:
        full = dest / os.fsdecode(path)
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content)
        files.add(path)

    dest.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        write(b"DCIM/" + name, CONTENT + name)
    write(b"DCIM/\xb2\xbb/dir in gbk.mp4")
    write(b"DCIM/empty.mp4", b"")
    deepest = b"/".join(b"level%02d" % level for level in range(LEVELS)) + b"/deep.mp4"
    write(deepest)
    for number in range(small_files):
        write(b"small/%03d/%05d.jpg" % (number // 1_000, number), b"%d" % number)
    for link, target in (
        ("passwd.mp4", "/etc/passwd"),
        ("up.mp4", "../../../../etc/hostname"),
        ("etc", "/etc"),
        ("loop", "."),
        ("dangling.mp4", "nowhere"),
    ):
        (dest / link).symlink_to(target)
        untouchable.add(link.encode())
    os.mkfifo(dest / "DCIM" / "fifo.mp4")
    untouchable.add(b"DCIM/fifo.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(dest, os.O_RDONLY | os.O_DIRECTORY)
        try:
            server.bind(f"/proc/self/fd/{here}/socket.mp4")
        finally:
            os.close(here)
    untouchable.add(b"socket.mp4")
    if os.geteuid() == 0:
        try:
            os.mknod(dest / "zero.mp4", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
        except OSError:  # a container may forbid it
            pass
        else:
            untouchable.add(b"zero.mp4")
    return HostileTree(root=dest, files=frozenset(files), untouchable=frozenset(untouchable), deepest=deepest)
