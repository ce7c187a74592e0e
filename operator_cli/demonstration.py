"""The main job once, on a simulated recorder with real footage: what `script/demo` runs.

Each step calls the product's own functions, the programs run as they do in service, and every step says what came of
it. Nothing runs afterwards unless it was asked to stay; the home stays on the disk to look into.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from edge_agent.by_hand import preflight_inline
from edge_agent.preflight import Verdict
from edge_agent.session_book import SessionResult
from evidence_model.errors import DamageError, EvidockError
from evidence_model.events import EventKind
from evidence_model.instants import Clock
from evidence_model.sizes import people_size
from evidence_store import queries
from evidence_store.fsck import verify_home_summary
from evidence_store.package_export import export_package
from host_io.config import HomeConfig, HomePaths, Role
from operator_cli.children import ProgramChild
from operator_cli.docking import dock, docked, wait_for_receipts
from operator_cli.errors import ChildNotReadyError, ForeignFolderError, WaitedTooLongError
from operator_cli.exit_codes import Exit
from operator_cli.home_catalogue import home_catalogue
from operator_cli.home_making import HomeWish, make_home
from operator_cli.people_time import zone_of
from operator_cli.saying import say_about_recording
from operator_cli.sealing import seal_now
from operator_cli.simulated_recorder import make_recorder
from operator_cli.station_view import StationItem, station_reading
from operator_cli.stolen_keys import forge_package
from operator_cli.texts import Language, Texts
from operator_cli.timeline_drawing import draw, gaps_of

_READY_SECONDS = 60.0
_RECEIPT_SECONDS = 60
_LOOK_AGAIN_SECONDS = 0.05
_WITNESSES_MISSING = "PKG-034"
_TAGS: Mapping[Language, Mapping[str, str]] = {
    Language.ZH: {"case": "示例〔2026〕1号", "party": "某商户", "handler": "张三、李四", "activity": "日常检查"},
    Language.EN: {"case": "DEMO-2026-1", "party": "a shop", "handler": "Zhang San, Li Si", "activity": "inspection"},
}


class DemoDamageError(DamageError):
    """The demonstration found bytes in the store that are not the recorder's."""

    code = "CLI-015"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step that was done."""

    name: str
    ok: bool
    detail: str
    seconds: float
    lines: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the step as the contract has it."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "seconds": round(self.seconds, 3)}


@dataclass(slots=True, kw_only=True)
class DemoResult:
    """What the demonstration came to."""

    home: Path
    steps: list[Step] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    receipted: int = 0
    verified: int = 0
    recording: str = ""
    runner_pid: int | None = None
    error: EvidockError | None = None

    @property
    def ok(self) -> bool:
        """Say whether every step was done and every file is received and right."""
        return self.error is None and all(step.ok for step in self.steps) and self.files == self.verified > 0

    def as_json(self) -> dict[str, object]:
        """Return the document of `demo --json` (contract.md, set-up)."""
        document: dict[str, object] = {
            "ok": self.ok,
            "home": str(self.home),
            "steps": [step.as_json() for step in self.steps],
            "files": self.files,
            "bytes": self.bytes,
            "receipted": self.receipted,
            "verified": self.verified,
        }
        if self.runner_pid is not None:
            document["pid"] = self.runner_pid
        return document


@dataclass(slots=True)
class Said:
    """What a step says of itself."""

    detail: str = ""
    ok: bool = True
    lines: tuple[str, ...] = ()


class Demonstration:
    """One demonstration; make one, call `run` once."""

    def __init__(
        self,
        *,
        home: Path | None,
        keep: bool,
        texts: Texts,
        clock: Clock,
        environment: Mapping[str, str],
        width: int,
        on_step: Callable[[Step], None],
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="evidock-demo-"))
        self._paths = HomePaths((home or self._folder / "home").absolute())
        self._keep = keep
        self._texts = texts
        self._clock = clock
        self._environment = dict(environment)
        self._width = width
        self._on_step = on_step
        self._result = DemoResult(home=self._paths.root)
        self._recorder = self._folder / "recorder"

    def run(self) -> DemoResult:
        """Do all steps; a step that fails ends it and is in the result. Ctrl-C takes everything away again."""
        try:
            with ExitStack() as stack:
                self._all_steps(stack)
        except EvidockError as error:
            self._result.error = error
            with suppress(OSError):
                self._folder.rmdir()  # if nothing was made in it
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self._result

    def _all_steps(self, stack: ExitStack) -> None:
        result, texts = self._result, self._texts
        with self._step("init") as said:
            if self._paths.config.exists():  # invented footage in a real log could never be taken out again
                raise ForeignFolderError(texts("demo.home_is_there", home=self._paths.root))
            wish = HomeWish(role=Role.WORKSTATION, unit=texts("demo.unit"))
            config = make_home(self._paths, wish, texts).config
            said.detail = texts("demo.init", home=self._paths.root)
        with self._step("run") as said:
            runner = self._start()
            if self._keep:
                result.runner_pid = runner.pid
            else:
                stack.callback(runner.stop, seconds=12.0)
            said.detail = texts("demo.run")
        with self._step("recorder") as said:
            an_hour_ago = self._clock.now() - timedelta(hours=1)
            files = make_recorder(self._recorder, seed=os.getpid(), now=an_hour_ago)
            size = sum(file.stat().st_size for file in files)
            said.detail = texts("demo.recorder", folder=self._recorder, files=len(files), size=people_size(size))
        with self._step("preflight") as said:
            self._preflight(config, said)
        with self._step("dock") as said:
            session = self._dock(config, said)
        with self._step("receipt") as said:
            items = self._receipts(config, session, said)
        with self._step("tag") as said:
            self._tag(config, said)
        with self._step("timeline") as said:
            self._timeline(config, said)
        with self._step("verify") as said:
            self._verify(items, said)
        with self._step("seal") as said:
            said.detail = texts("demo.seal", index=seal_now(self._paths, texts).index)
        with self._step("export") as said:
            package = self._export(said)
        with self._step("thief") as said:
            self._show_thief(package, said)

    # ------------------------------------------------------------------------------------------------ steps
    def _start(self) -> ProgramChild:
        """Start `evidock run` as a process of its own and wait until it says READY."""
        runner = ProgramChild(
            "evidock-run",
            ["operator_cli", "--home", str(self._paths.root), "run"],
            paths=self._paths,
            environment=self._environment,
            stays=self._keep,
        )
        ready = False
        try:
            runner.start()
            ready = runner.wait_ready(seconds=_READY_SECONDS)
        finally:
            if not ready:
                runner.stop(seconds=12.0)
        if not ready:
            raise ChildNotReadyError(runner.last_words())
        return runner

    def _preflight(self, config: HomeConfig, said: Said) -> None:
        checked = preflight_inline(self._paths, config, self._recorder, clock=self._clock)
        open_ = [check for check in checked.checks if check.verdict is not Verdict.PASS]
        said.detail = self._texts(
            "demo.preflight",
            verdict=self._texts(f"verdict.{checked.verdict.value}"),
            open=self._texts.listed(
                f"{self._texts(f'check.{check.name}')} {self._texts(f'verdict.{check.verdict.value}')}"
                for check in open_
            ),
        )

    def _dock(self, config: HomeConfig, said: Said) -> SessionResult:
        session = dock(
            self._paths, config, self._recorder, recorder=None, clock=self._clock, on_progress=lambda _: None
        )
        items = docked(self._paths, session).items
        self._result.files = len(items)
        self._result.bytes = sum(item.size_bytes for item in items)
        said.ok = session.ok and bool(items)
        said.detail = self._texts(
            "demo.dock",
            files=len(items),
            size=people_size(self._result.bytes),
            recorder=session.recorder_id,
            listed=sum(path.is_file() for path in self._recorder.rglob("*")) - len(items),
        )
        return session

    def _receipts(self, config: HomeConfig, session: SessionResult, said: Said) -> tuple[StationItem, ...]:
        wait_for_receipts(
            self._paths,
            config,
            session,
            clock=self._clock,
            most_seconds=_RECEIPT_SECONDS,
            was_running=True,
            on_count=lambda *_: None,
        )
        outcome = docked(self._paths, session)
        self._result.receipted = outcome.receipted_count
        said.ok = outcome.receipted_count == len(outcome.items)
        said.detail = self._texts("demo.receipt", receipted=outcome.receipted_count)
        return outcome.items

    def _tag(self, config: HomeConfig, said: Said) -> None:
        with home_catalogue(self._paths, config) as db:
            chosen = max(queries.timeline(db), key=lambda recording: len(recording.segments))
        tags = dict(_TAGS[self._texts.language])
        events = say_about_recording(
            self._paths,
            config,
            kind=EventKind.TAGS_SET,
            recording=chosen.id,
            assets=[segment.asset_id for segment in chosen.segments],
            words={"tags": tags},
            clock=self._clock,
        )
        self._wait_receipted(events[-1].seq)
        self._result.recording = chosen.id
        said.detail = self._texts("demo.tag", id=chosen.id, case=tags["case"])

    def _timeline(self, config: HomeConfig, said: Said) -> None:
        with home_catalogue(self._paths, config) as db:
            [recording] = queries.timeline(db, recording=self._result.recording)
        gaps = gaps_of(recording)
        said.detail = self._texts("demo.timeline", files=len(recording.segments), gaps=len(gaps))
        said.lines = tuple(draw(recording, self._texts, zone=zone_of(config.zone), width=self._width))

    def _verify(self, items: tuple[StationItem, ...], said: Said) -> None:
        """Verify the home, and besides compare the vault's bytes with the recorder's, both read anew."""
        summary = verify_home_summary(self._paths)
        for item in items:
            original = self._recorder / os.fsdecode(item.raw_path)
            digest = item.digest.hex()
            stored = self._paths.vault / "sha256" / digest[:2] / digest[2:4] / digest
            self._result.verified += _sha256(original) == _sha256(stored) == digest
        said.ok = summary.exit_code == 0 and self._result.verified == len(items)
        said.detail = self._texts("demo.verify", verified=self._result.verified, events=summary.events)
        if not said.ok:
            first = summary.findings[0] if summary.findings else None
            raise DemoDamageError(f"{first.code} {first.subject}" if first else str(self._paths.root))

    def _export(self, said: Said) -> Path:
        """Write the evidence package of the recording that was tagged, and let the verifier that lies in it judge."""
        out = self._folder / "package"
        made = export_package(self._paths, recordings=[self._result.recording], out=out, clock=self._clock)
        said.ok = made.ok and self._judged(out, by=out).returncode == 0
        said.detail = self._texts("demo.export", out=out, files=made.item_count, events=made.event_count)
        return out

    def _show_thief(self, package: Path, said: Said) -> None:
        """Let a thief of the centre's keys rewrite the history, and the verifier of the true package judge his."""
        forged = self._folder / "forged-package"
        forge_package(self._paths, self._result.recording, forged, clock=self._clock)
        judged = self._judged(forged, by=package)
        said.lines = tuple(f"    {line.strip()}" for line in judged.stdout.splitlines() if _WITNESSES_MISSING in line)
        said.ok = judged.returncode == Exit.DAMAGE and bool(said.lines)
        said.detail = self._texts("demo.thief", out=forged)

    def _judged(self, package: Path, *, by: Path) -> "subprocess.CompletedProcess[str]":
        """Return what the verifier in the package `by` says of a package, given the site's true keys."""
        language = self._texts.language.value
        words = [
            str(by / "data/verify/verify.pyz"),
            str(package),
            "--trust",
            str(self._paths.trust),
            "--lang",
            language,
        ]
        return subprocess.run([sys.executable, "-I", *words], capture_output=True, text=True, check=False)

    # ------------------------------------------------------------------------------------------------ helpers
    @contextmanager
    def _step(self, name: str) -> Iterator[Said]:
        said, started = Said(), self._clock.mono()
        try:
            yield said
        except EvidockError as error:
            said.ok, said.detail = False, f"{error} [{error.code}]"
            raise
        finally:
            step = Step(
                name=name, ok=said.ok, detail=said.detail, seconds=self._clock.mono() - started, lines=said.lines
            )
            if said.detail:  # nothing to say of a step that Ctrl-C cut off
                self._result.steps.append(step)
                self._on_step(step)

    def _wait_receipted(self, seq: int) -> None:
        deadline = self._clock.mono() + _RECEIPT_SECONDS
        while self._clock.mono() < deadline:
            with station_reading(self._paths) as db:
                query = "select 1 from envelope where seq = ? and receipt is not null"
                if db is not None and db.execute(query, (seq,)).fetchone() is not None:
                    return
            time.sleep(_LOOK_AGAIN_SECONDS)
        raise WaitedTooLongError(f"seq {seq}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
