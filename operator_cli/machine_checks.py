"""What this machine and this home lack: each check says what it found; why it matters and what mends it are texts.

Nothing here changes anything except a probe file that is made and removed in the home.
"""

import contextlib
import errno
import os
import pwd
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from evidence_model.errors import EvidockError
from evidence_model.instants import Clock, ClockSource
from evidence_model.known import Known
from evidence_model.sizes import people_size
from evidence_store.report_font import INSTALL, find_report_font
from host_io import trust
from host_io.broker import find_nats_server
from host_io.config import BrokerKind, HomeConfig, HomePaths, read_config

_SQLITE_STRICT = (3, 37)
_INOTIFY = {"max_user_watches": 8192, "max_user_instances": 128}
_FORGETFUL = frozenset({"tmpfs", "ramfs", "overlay"})
_ROUGH = frozenset({"vfat", "exfat", "ntfs", "ntfs3", "fuseblk", "msdos"})


class CheckVerdict(Enum):
    """How a check ended; UNKNOWN is shown as such and mends nothing."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: `doctor.<id>` is its title, `doctor.<id>.why` its reason, `fix` the one command that mends it."""

    id: str
    verdict: CheckVerdict
    found: str
    fix: str = ""


def check_machine(paths: HomePaths, *, clock: Clock) -> Iterator[Check]:
    """Yield every check that makes sense here; without a home only those about the machine."""
    config: HomeConfig | None = None
    if somebody_else := _owner_beside_us(paths):
        fix = f"sudo -u {somebody_else} evidock --home {paths.root} doctor"
        yield Check(id="permissions", verdict=CheckVerdict.FAIL, found=str(paths.root), fix=fix)
    elif is_home(paths):
        try:
            config = read_config(paths)
            yield Check(id="config", verdict=CheckVerdict.OK, found=str(paths.config))
        except EvidockError as error:
            yield Check(
                id="config", verdict=CheckVerdict.FAIL, found=str(error), fix=f"${{EDITOR:-nano}} {paths.config}"
            )
    pulls = config is None or config.role.pulls
    stores = config is None or config.role.stores
    yield _sqlite()
    if pulls:
        yield _ffprobe()
        yield from _inotify()
        yield _udev(config)
        yield _exfat()
    if stores and (config is None or config.broker.kind is BrokerKind.EMBEDDED):
        yield _broker()
    if stores:
        yield _report_font()
    yield _clock(clock)
    if config is not None:
        yield from _home(paths, config)


def is_home(paths: HomePaths) -> bool:
    """Say whether there is a home; one that we may not look into is one."""
    try:
        return paths.config.exists()
    except PermissionError:
        return True


def _owner_beside_us(paths: HomePaths) -> str:
    """Return who owns the home if that is neither we nor somebody as whom we may do everything."""
    try:
        owner = paths.root.stat().st_uid
    except OSError:
        return ""
    if os.geteuid() in {0, owner} or not is_home(paths):
        return ""
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return f"#{owner}"


def _sqlite() -> Check:
    good = sqlite3.sqlite_version_info >= _SQLITE_STRICT
    return Check(
        id="sqlite",
        verdict=CheckVerdict.OK if good else CheckVerdict.FAIL,
        found=sqlite3.sqlite_version,
        fix="" if good else "sudo apt-get install --only-upgrade libsqlite3-0",
    )


def _ffprobe() -> Check:
    found = shutil.which("ffprobe")
    if found:
        return Check(id="ffprobe", verdict=CheckVerdict.OK, found=found)
    return Check(id="ffprobe", verdict=CheckVerdict.WARN, found="-", fix="sudo apt-get install ffmpeg")


def _broker() -> Check:
    try:
        return Check(id="broker", verdict=CheckVerdict.OK, found=str(find_nats_server()))
    except EvidockError:
        return Check(id="broker", verdict=CheckVerdict.FAIL, found="-", fix="sudo apt-get install nats-server")


def _report_font() -> Check:
    try:
        return Check(id="report_font", verdict=CheckVerdict.OK, found=str(find_report_font().path))
    except EvidockError:
        return Check(id="report_font", verdict=CheckVerdict.WARN, found="-", fix=INSTALL)


def _inotify() -> Iterator[Check]:
    for name, least in _INOTIFY.items():
        try:
            value = int(Path(f"/proc/sys/fs/inotify/{name}").read_text(encoding="ascii"))
        except (OSError, ValueError):
            yield Check(id=f"inotify_{name}", verdict=CheckVerdict.UNKNOWN, found="-")
            continue
        good = value >= least
        yield Check(
            id=f"inotify_{name}",
            verdict=CheckVerdict.OK if good else CheckVerdict.WARN,
            found=str(value),
            fix="" if good else f"sudo sysctl -w fs.inotify.{name}={least}",
        )


def _udev(config: HomeConfig | None) -> Check:
    if config is not None and not config.station.watch_usb:
        return Check(id="udev", verdict=CheckVerdict.OK, found="station.watch_usb = false")
    if Path("/run/udev/control").exists():
        return Check(id="udev", verdict=CheckVerdict.OK, found="/run/udev/control")
    return Check(id="udev", verdict=CheckVerdict.WARN, found="-", fix="sudo systemctl start systemd-udevd")


def _exfat() -> Check:
    with contextlib.suppress(OSError):
        if "exfat" in Path("/proc/filesystems").read_text(encoding="ascii"):
            return Check(id="exfat", verdict=CheckVerdict.OK, found="kernel")
    modules = Path("/lib/modules") / os.uname().release
    for place in (modules / "kernel/fs/exfat", Path("/sbin/mount.exfat-fuse"), Path("/usr/sbin/mount.exfat-fuse")):
        if place.exists():
            return Check(id="exfat", verdict=CheckVerdict.OK, found=str(place))
    return Check(id="exfat", verdict=CheckVerdict.WARN, found="-", fix="sudo apt-get install exfat-fuse")


def _clock(clock: Clock) -> Check:
    reading = clock.read()
    if reading.source is ClockSource.NTP:
        error = reading.error_ms
        return Check(
            id="clock", verdict=CheckVerdict.OK, found=f"NTP ±{error.value} ms" if isinstance(error, Known) else "NTP"
        )
    verdict = CheckVerdict.UNKNOWN if reading.source is ClockSource.UNKNOWN else CheckVerdict.WARN
    return Check(id="clock", verdict=verdict, found=reading.source.value, fix="sudo timedatectl set-ntp true")


def _home(paths: HomePaths, config: HomeConfig) -> Iterator[Check]:
    yield _permissions(paths)
    yield _trust(paths)
    yield _file_system(paths)
    if config.role.pulls:
        yield _space("spool_space", paths.spool, config.station.spool_reserve_bytes)
    if config.role.stores:
        yield _space("vault_space", paths.vault, config.centre.vault_reserve_bytes)
    if config.role.pulls and config.role.stores:
        yield _hard_links(paths)


def _permissions(paths: HomePaths) -> Check:
    """Are the keys this user's alone, and is the home writable?"""
    open_to_others = [
        path
        for path in [paths.keys, *sorted(paths.keys.glob("*"))]
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if open_to_others:
        fix = f"chmod -R go-rwx {paths.keys}"
        return Check(id="permissions", verdict=CheckVerdict.FAIL, found=str(open_to_others[0]), fix=fix)
    if not os.access(paths.root, os.W_OK):
        fix = f"chmod u+w {paths.root}"
        return Check(id="permissions", verdict=CheckVerdict.FAIL, found=str(paths.root), fix=fix)
    return Check(id="permissions", verdict=CheckVerdict.OK, found=f"{paths.keys} 0700")


def _trust(paths: HomePaths) -> Check:
    try:
        known = trust.read_trust(paths.trust)
    except EvidockError as error:
        return Check(
            id="trust",
            verdict=CheckVerdict.FAIL,
            found=str(error),
            fix=f"cp -r CENTRE/trust.json CENTRE/trust {paths.root}",
        )
    return Check(id="trust", verdict=CheckVerdict.OK, found=f"{known.site}: {known.centre.id} + {len(known.stations)}")


def _file_system(paths: HomePaths) -> Check:
    kind = file_system_of(paths.root)
    if kind in _FORGETFUL:
        return Check(
            id="file_system", verdict=CheckVerdict.WARN, found=kind, fix="evidock init --home /var/lib/evidock …"
        )
    if kind in _ROUGH:
        return Check(
            id="file_system", verdict=CheckVerdict.FAIL, found=kind, fix="evidock init --home /var/lib/evidock …"
        )
    return Check(id="file_system", verdict=CheckVerdict.OK, found=kind)


def file_system_of(path: Path) -> str:
    """Return the type of the file system that `path` lies on, `unknown` if the kernel does not tell."""
    best, kind = "", "unknown"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
            _, place, type_, *_ = line.split(" ")
            place = place.encode().decode("unicode_escape")
            if len(place) >= len(best) and (path.resolve() == Path(place) or Path(place) in path.resolve().parents):
                best, kind = place, type_
    return kind


def _space(check_id: str, folder: Path, reserve_bytes: int) -> Check:
    usage = shutil.disk_usage(folder if folder.exists() else folder.parent)
    found = f"{people_size(usage.free)} / {people_size(usage.total)}"
    if usage.free < reserve_bytes:
        return Check(id=check_id, verdict=CheckVerdict.FAIL, found=found, fix=f"df -h {folder}")
    if usage.free < max(4 * reserve_bytes, usage.total // 20):
        return Check(id=check_id, verdict=CheckVerdict.WARN, found=found, fix=f"df -h {folder}")
    return Check(id=check_id, verdict=CheckVerdict.OK, found=found)


def _hard_links(paths: HomePaths) -> Check:
    """Can a spool file get a second name in the vault (else bytes are uploaded over HTTP, which costs a copy)?"""
    probe, second = paths.spool / f".probe-{os.getpid()}", paths.vault / f".probe-{os.getpid()}"
    return _try_link(probe, second)


def _try_link(probe: Path, second: Path) -> Check:
    remove: list[Callable[[], None]] = [probe.unlink, second.unlink]
    try:
        probe.touch(mode=0o600)
        os.link(probe, second)
    except OSError as error:
        return Check(
            id="hard_links",
            verdict=CheckVerdict.WARN,
            found=errno.errorcode.get(error.errno or 0, "?"),
            fix=f"df --output=target {probe.parent} {second.parent}",
        )
    else:
        return Check(id="hard_links", verdict=CheckVerdict.OK, found=f"{probe.parent} → {second.parent}")
    finally:
        for step in remove:
            with contextlib.suppress(OSError):
                step()
