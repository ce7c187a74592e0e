"""The pages inside a package are true: their commands are run as printed, on a real package and on altered ones."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.envelope import EnvelopeSignature, make_envelope, parse_envelope
from chain_of_custody.signatures import Ed25519Signer
from chain_of_custody.witness_policy import WitnessPolicy
from evidence_model.events import EventKind
from evidence_store.package_export import export_package
from evidence_store.rebuild import rebuild
from host_io.sm2 import Sm2Signer, make_sm2_key, sm2_point
from host_io.trust import station_witness
from tests.decided_home import decided_home
from tests.decision_story import LEADER
from tests.fakes.centre_home import LOG, SITE, Centre, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.log_on_disc import test_key
from tests.fakes.manual_clock import ManualClock
from tests.packages import HOSTILE_NAMES, Docking, document, flip, recording_of
from tests.stamping import stamped_centre
from tests.trusts import put_trust, with_witnesses

PAGES = {"en": "HOW-TO-VERIFY.md", "zh": "怎样验证.md"}
FILM = bytes(range(256)) * 8192 + b"and a little more"

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs openssl: apt install openssl (script/setup does)"
)


def make_package(
    folder: Path,
    names: tuple[bytes, ...],
    *,
    witness: Ed25519Signer | None = None,
    station: FakeStation | None = None,
    sm2: bytes | None = None,
) -> Path:
    station = station or FakeStation()
    paths = make_centre_home(folder / "home", station)
    trust = trust_of(station)
    trust = replace(
        trust, sources=tuple(replace(each, sm2=sm2 if each.id == station.id else None) for each in trust.sources)
    )
    put_trust(paths, trust)
    with centre_at(paths, trust) as centre:
        docking = Docking(centre, station)
        assets = [docking.pull(FILM), *(docking.pull(name, name) for name in names)]
        docking.reread(assets[0], FILM)
        docking.says(EventKind.TAGS_SET, assets[:1], tags={"case": "A", "kind": "x"}, source={"id": "somebody"})
        centre.seal()
        docking.reread(assets[0], FILM)  # after the seal, and so no business of its
        if witness is not None:
            _cosign(centre, station, witness)
        recordings = [recording_of(each) for each in assets]
        assert export_package(paths, recordings=recordings, out=folder / "out", recipient="court").ok
    return folder / "out"


def _cosign(centre: Centre, station: FakeStation, witness: Ed25519Signer) -> None:
    """Let the site have a witness, and let it have cosigned the newest head."""
    one = station_witness(SITE, station.id, witness.public_key)
    policy = WitnessPolicy(witnesses=(one,), quorum=one.name)
    put_trust(centre.paths, with_witnesses(trust_of(station), policy))
    note = centre.ledger.note
    head = open_checkpoint(note, log_key=LOG.public_key)
    line = cosign(head, signer=witness, name=one.key.name, at=station.now_at)
    (centre.paths.log / "checkpoint").write_bytes(add_signature(note, line))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("made"), (b"DCIM/small.mp4",))


@pytest.fixture
def package(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "package"))


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with an empty file and every kind of name that a recorder may have given."""
    return make_package(tmp_path_factory.mktemp("odd"), (b"", *HOSTILE_NAMES))


def blocks(package: Path, language: str) -> list[str]:
    text = (package / "data" / PAGES[language]).read_text(encoding="utf-8")
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def follow(package: Path, steps: list[str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run commands of the page in the package's folder, with nothing of ours on the path but where bagit.py lies."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "PYTHONWARNINGS": "ignore",
    }
    command = ["bash", "-c", "".join(steps)]
    return subprocess.run(
        command, cwd=package, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("language", PAGES)
def test_what_the_page_says_accepts_an_honest_package(odd: Path, tmp_path: Path, language: str) -> None:
    before = sorted(path.name for path in odd.rglob("*"))
    done = follow(odd, blocks(odd, language), tmp_path)
    assert done.returncode == 0, done.stderr
    events = document(odd, "data/package.json")["events"]
    assert len(re.findall(r"^event \d+ is entry", done.stdout, re.MULTILINE)) == len(events)
    assert done.stdout.count("is what event") == len(HOSTILE_NAMES) + 2
    assert "begins with the" in done.stdout
    assert list(tmp_path.iterdir()) == [], "the page leaves something behind"
    assert sorted(path.name for path in odd.rglob("*")) == before, "the page writes into the package"


def gm_package(folder: Path, *, sm2: Sm2Signer, sm3_of: Callable[[bytes], bytes]) -> Path:
    """Return a package of a station that uses SM3 and SM2, with its SM2 key among the keys."""
    station = FakeStation()
    station.sm2, station.sm3_of = sm2, sm3_of
    return make_package(folder, (b"DCIM/small.mp4",), station=station, sm2=sm2_point(folder / "station-1.sm2"))


def right_sm3(content: bytes) -> bytes:
    return hashlib.new("sm3", content).digest()


class Spoilt(Sm2Signer):
    """Signs something else than it is given."""

    def sign(self, message: bytes) -> EnvelopeSignature:
        return super().sign(message + b" ")


@pytest.mark.parametrize("language", PAGES)
def test_the_page_checks_sm3_and_sm2_where_they_are(tmp_path: Path, language: str) -> None:
    make_sm2_key(tmp_path / "station-1.sm2")
    signer = Sm2Signer(tmp_path / "station-1.sm2", ManualClock())
    package = gm_package(tmp_path, sm2=signer, sm3_of=right_sm3)
    commands = blocks(package, language)
    for step in (4, 5):
        done = follow(package, [commands[0], commands[step - 1]], tmp_path)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("step", "wrong"), [(4, "sm2"), (5, "sm3")])
@pytest.mark.parametrize("language", PAGES)
def test_the_page_refuses_sm3_and_sm2_that_do_not_fit(tmp_path: Path, language: str, step: int, wrong: str) -> None:
    make_sm2_key(tmp_path / "station-1.sm2")
    kind = Spoilt if wrong == "sm2" else Sm2Signer
    sm3_of = (lambda content: right_sm3(content + b" ")) if wrong == "sm3" else right_sm3
    package = gm_package(tmp_path, sm2=kind(tmp_path / "station-1.sm2", ManualClock()), sm3_of=sm3_of)
    commands = blocks(package, language)
    assert follow(package, [commands[0], commands[9 - step - 1]], tmp_path).returncode == 0
    assert follow(package, [commands[0], commands[step - 1]], tmp_path).returncode != 0


def test_the_page_checks_what_witnesses_cosigned(tmp_path: Path) -> None:
    package = make_package(tmp_path, (), witness=Ed25519Signer.from_seed(b"w" * 32))
    done = follow(package, blocks(package, "en"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^witness station-1 cosigned it at 2026-", done.stdout, re.MULTILINE)
    assert "quorum station-1" in done.stdout
    for proof in (package / "data" / "proofs").glob("*.sigsum"):
        proof.write_text(re.sub(r"(?m)^cosignature=.*$", other_digit, proof.read_text()))
    commands = blocks(package, "en")
    assert follow(package, [commands[0], commands[6]], tmp_path).returncode != 0


def stamped_package(folder: Path) -> Path:
    with stamped_centre(folder) as site:
        site.station_hears(site.is_stamped(site.authorities[0]))
        docking = Docking(site.centre, site.station)
        film = docking.pull(FILM)
        for authority in site.authorities:
            site.passes(timedelta(hours=1))
            site.is_stamped(authority)
        export_package(site.centre.paths, recordings=[recording_of(film)], out=folder / "out")
    return folder / "out"


def test_the_page_bounds_the_time_of_events_by_stamps(tmp_path: Path) -> None:
    package = stamped_package(tmp_path)
    (tmp_path / "scratch").mkdir()
    done = follow(package, blocks(package, "zh"), tmp_path / "scratch")
    assert done.returncode == 0, done.stderr
    pulled = event_of(package, "footage.pulled")
    assert f"2026-11-22T12:00:00Z tsa-1: event {pulled} is younger" in done.stdout
    said = re.findall(r"^(2026\S+) (tsa-[12]): entries 0 to (\d+) were there$", done.stdout, re.MULTILINE)
    assert [(at[11:13], name) for at, name, _ in said] == [("12", "tsa-1"), ("13", "tsa-1"), ("14", "tsa-2")]
    assert [int(last) >= int(pulled) for _, _, last in said] == [False, True, True]
    steps = blocks(package, "en")
    needed = [steps[0], *steps[6:9]]
    [late] = (package / "data/time").glob("*.tsa-2.tsr")
    note = late.with_name(f"{late.name.split('.')[0]}.checkpoint")
    for path, place in ((late, -5), (late, 9), (note, -9), (note.with_suffix(".consistency"), 3)):
        data = path.read_bytes()
        if data:
            flip(path, place)
            assert follow(package, [*needed, steps[9]], tmp_path / "scratch").returncode != 0, path
            path.write_bytes(data)
    assert follow(package, [*needed, steps[9]], tmp_path / "scratch").returncode == 0


def test_the_page_proves_what_people_decided_and_what_was_erased_by_law(tmp_path: Path) -> None:
    with decided_home(tmp_path / "home") as home:
        gone, left = home.assets
        home.view(home.grant(home.ask()))
        envelope = home.reread_of(gone)
        proposal = home.propose(assets=[gone], erased=[envelope])
        home.dispose(proposal, home.approve(proposal, assets=[gone]), asset=gone, erased=[envelope])
        home.erase_bytes(gone)
    home.erase_body(envelope)
    rebuild(home.paths)
    recordings = [recording_of(each) for each in (gone, left)]
    assert export_package(home.paths, recordings=recordings, out=tmp_path / "out").ok
    package = tmp_path / "out"
    work = tmp_path / "work"
    work.mkdir()
    done = follow(package, blocks(package, "en"), work)
    assert done.returncode == 0, done.stderr
    (erased,) = document(package, "data/package.json")["erased"]
    assert f"event {erased['index']} is entry" in done.stdout
    assert " access.approved\n" in done.stdout
    signature = next(package.glob(f"data/events/*.{test_key(LEADER).key_id}.sig"))
    flip(signature, 10)
    assert follow(package, [blocks(package, "en")[0], blocks(package, "en")[3]], work).returncode != 0


def test_both_pages_have_the_same_commands(package: Path) -> None:
    assert blocks(package, "en") == blocks(package, "zh")
    assert len(blocks(package, "en")) == 11


def test_the_page_s_own_way_to_run_all_of_it_works(package: Path, tmp_path: Path) -> None:
    for name in PAGES.values():
        text = (package / "data" / name).read_text(encoding="utf-8")
        [way] = re.findall(r"^```text\n(sed.*?)^```$", text, re.MULTILINE | re.DOTALL)
        done = follow(package, ["set -e\n", way.replace(" /tmp", f" {tmp_path}")], tmp_path)
        assert done.returncode == 0, done.stderr


def test_the_verifier_in_the_package_says_the_same(odd: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in odd.rglob("*"))
    trust = tmp_path / "trust.json"
    trust.write_bytes((odd / "data/trust/trust.json").read_bytes())
    command = [sys.executable, "-I", "-S", "data/verify/verify.pyz", ".", "--trust", str(trust), "--json"]
    done = subprocess.run(command, cwd=odd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in odd.rglob("*")) == before, "it writes into the package"
    flipped = Path(shutil.copytree(odd, tmp_path / "flipped"))
    flip_film(flipped)
    assert subprocess.run(command, cwd=flipped, capture_output=True, check=False).returncode == 5


# Attacks: what somebody alters, and the step at the latest that tells -------------------------------------------------


def bag_anew(package: Path) -> None:
    """Make the bag's own lists again, as anybody can."""
    names = sorted(str(path.relative_to(package)) for path in (package / "data").rglob("*") if path.is_file())
    (package / "manifest-sha256.txt").write_text("".join(f"{sha(package / name)}  {name}\n" for name in names))
    tags = ("bag-info.txt", "bagit.txt", "manifest-sha256.txt")
    (package / "tagmanifest-sha256.txt").write_text("".join(f"{sha(package / name)}  {name}\n" for name in tags))


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def event_of(package: Path, kind: str) -> str:
    """Return the place of the first event of a kind."""
    events = document(package, "data/package.json")["events"]
    return next(
        str(each) for each in events if f'"kind":"{kind}"' in (package / f"data/events/{each}.payload").read_text()
    )


def film_of(package: Path) -> Path:
    return max((package / "data" / "footage").rglob("*.MP4"), key=lambda path: path.stat().st_size)


def flip_film(package: Path) -> None:
    flip(film_of(package), 5)


def lose_file(package: Path) -> None:
    film_of(package).unlink()


def flip_report(package: Path) -> None:
    flip(package / "data" / "report.zh.pdf", 500)


def add_file(package: Path) -> None:
    (package / "data" / "extra").write_text("extra")


def add_link(package: Path) -> None:
    (package / "data" / "link").symlink_to("package.json")


def add_fetch(package: Path) -> None:
    (package / "fetch.txt").write_text("http://x.example/ 1 data/extra\n")


def flip_statement(package: Path) -> None:
    raw = (package / "package.dsse.json").read_bytes()
    payload = parse_envelope(raw).payload.replace(b'"recipient":"court"', b'"recipient":"press"')
    altered = re.sub(rb'"payload":"[^"]*"', b'"payload":"' + base64.b64encode(payload) + b'"', raw)
    (package / "package.dsse.json").write_bytes(altered)


def bag_again(package: Path) -> None:
    flip_film(package)
    bag_anew(package)


def sign_by_another(package: Path) -> None:
    payload = parse_envelope((package / "package.dsse.json").read_bytes()).payload
    (package / "package.dsse.json").write_bytes(make_envelope(payload, [LOG], "application/vnd.evidock.package+json"))


def swap_key(package: Path) -> None:
    keys = sorted((package / "data/trust/keys").iterdir())
    keys[0].write_bytes(keys[1].read_bytes())


def flip_pae(package: Path) -> None:
    flip(package / f"data/events/{event_of(package, 'footage.pulled')}.pae", 200)


def flip_payload(package: Path) -> None:
    flip(package / f"data/events/{event_of(package, 'footage.pulled')}.payload", 200)


def rewrite_event(package: Path) -> None:
    """Alter an envelope and all that lies beside it in the same way; only its signature cannot follow."""
    place = package / f"data/events/{event_of(package, 'tags.set')}"
    envelope = place.with_name(f"{place.name}.dsse.json")
    raw = envelope.read_bytes()
    payload = parse_envelope(raw).payload.replace(b'"case":"A"', b'"case":"B"')
    envelope.write_bytes(re.sub(rb'"payload":"[^"]*"', b'"payload":"' + base64.b64encode(payload) + b'"', raw))
    place.with_name(f"{place.name}.payload").write_bytes(payload)
    pae = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    place.with_name(f"{place.name}.pae").write_bytes(pae)


def sign_event_by_another(package: Path) -> None:
    """Let an event be signed by a key that is enrolled, but not its source's."""
    place = package / f"data/events/{event_of(package, 'footage.pulled')}"
    envelope = place.with_name(f"{place.name}.dsse.json")
    raw = make_envelope(parse_envelope(envelope.read_bytes()).payload, [LOG])
    envelope.write_bytes(raw)
    [old] = place.parent.glob(f"{place.name}.*.sig")
    old.unlink()
    [signature] = parse_envelope(raw).signatures
    place.with_name(f"{place.name}.{signature.key_id}.sig").write_bytes(signature.signature)


def flip_chunks(package: Path) -> None:
    chunks = film_of(package).with_name(f"{film_of(package).name}.chunks")
    chunks.write_bytes(chunks.read_bytes().replace(b"\n", b"\n", 1)[::-1][1:] + b"\n")


def flip_blob(package: Path) -> None:
    flip(next((package / "data/blobs").iterdir()))


def swap_films(package: Path) -> None:
    one, other = film_of(package), package / "data" / "footage"
    small = min((path for path in other.rglob("*.mp4") if path.stat().st_size), key=lambda path: path.stat().st_size)
    held = one.read_bytes()
    one.write_bytes(small.read_bytes())
    small.write_bytes(held)


def drop_event(package: Path) -> None:
    for path in list((package / "data/events").glob(f"{event_of(package, 'footage.pulled')}.*")):
        path.unlink()


def shorten_chain(package: Path) -> None:
    """Leave the newest reading out, as if it had never been."""
    events = document(package, "data/package.json")["events"]
    last = max(
        (each for each in events if "footage.reread" in (package / f"data/events/{each}.payload").read_text()), key=int
    )
    for path in [*(package / "data/events").glob(f"{last}.*"), package / f"data/proofs/{last}.sigsum"]:
        path.unlink()


def flip_head(package: Path) -> None:
    head = package / "data/proofs/checkpoint-head"
    lines = head.read_text(encoding="utf-8").split("\n")
    lines[1] = str(int(lines[1]) + 1)
    head.write_text("\n".join(lines), encoding="utf-8")


def edit(pattern: str, becomes: Callable[[re.Match[str]], str]) -> Callable[[Path], None]:
    def attack(package: Path) -> None:
        proof = package / f"data/proofs/{event_of(package, 'footage.pulled')}.sigsum"
        text = proof.read_text()
        proof.write_text(re.sub(pattern, becomes, text, count=1))
        assert proof.read_text() != text

    return attack


def other_digit(match: re.Match[str]) -> str:
    return match[0][:-1] + ("0" if match[0][-1] != "0" else "1")


def move_proof(package: Path) -> None:
    """Say that an event stands at another place: the proof itself stays as it is."""
    index = event_of(package, "footage.pulled")
    for path in [*(package / "data/events").glob(f"{index}.*"), package / f"data/proofs/{index}.sigsum"]:
        path.rename(path.with_name(path.name.replace(f"{index}.", "3.", 1)))


def lose_proof(package: Path) -> None:
    (package / f"data/proofs/{event_of(package, 'footage.pulled')}.sigsum").unlink()


def flip_consistency(package: Path) -> None:
    path = package / "data/proofs/consistency"
    lines = path.read_text().splitlines()
    lines[-1] = lines[-1][::-1]
    path.write_text("".join(f"{line}\n" for line in lines))


def shorten_consistency(package: Path) -> None:
    path = package / "data/proofs/consistency"
    path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines()[:-1]))


def hide_sealed_event(package: Path) -> None:
    """Leave out the last event of a source about an item that was sealed, with its proof."""
    place = event_of(package, "store.received")
    for path in [*(package / "data/events").glob(f"{place}.*"), package / f"data/proofs/{place}.sigsum"]:
        path.unlink()


def flip_presence(package: Path) -> None:
    proof = next((package / "data/proofs").glob("presence-*.json"))
    text = proof.read_text()
    at = text.index('"proof":["') + 10
    proof.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])


def seal_by_a_station(package: Path) -> None:
    for path in (package / "data/events").glob(f"{event_of(package, 'log.sealed')}.*.sig"):
        path.rename(path.with_name(f"{path.name.split('.')[0]}.{'0' * 64}.sig"))


ATTACKS: list[tuple[int, Callable[[Path], None]]] = [
    (1, swap_key),
    (2, flip_film),
    (2, lose_file),
    (2, flip_report),
    (2, add_file),
    (2, add_link),
    (2, add_fetch),
    (3, flip_statement),
    (3, bag_again),
    (3, sign_by_another),
    (4, flip_pae),
    (4, flip_payload),
    (4, rewrite_event),
    (4, sign_event_by_another),
    (5, flip_film),
    (5, flip_chunks),
    (5, flip_blob),
    (5, swap_films),
    (6, drop_event),
    (6, shorten_chain),
    (7, flip_head),
    (8, edit(r"(?m)^leaf=.*$", other_digit)),
    (8, edit(r"(?m)^node_hash=.*$", other_digit)),
    (8, edit(r"(?m)^node_hash=.*\n", lambda _: "")),
    (8, edit(r"(?m)^(node_hash=.*\n)", lambda match: match[1] * 2)),
    (8, edit(r"(?m)^size=.*$", other_digit)),
    (8, edit(r"(?m)^root_hash=.*$", other_digit)),
    (8, rewrite_event),
    (8, move_proof),
    (8, lose_proof),
    (9, flip_consistency),
    (9, shorten_consistency),
    (11, hide_sealed_event),
    (11, flip_presence),
    (11, seal_by_a_station),
]


@pytest.mark.parametrize(("step", "attack"), ATTACKS, ids=lambda each: getattr(each, "__name__", str(each)))
def test_the_step_of_the_page_refuses_what_was_altered(
    package: Path, tmp_path: Path, step: int, attack: Callable[[Path], None]
) -> None:
    attack(package)
    commands = blocks(package, "en")
    needed = [commands[0], *(commands[earlier] for earlier in (6, 7) if step > earlier + 1)]
    if step not in {1, 7}:
        before = follow(package, needed, tmp_path)
        assert before.returncode == 0, f"an earlier step refused it: {before.stderr}"
    done = follow(package, [*needed, commands[step - 1]] if step != 1 else needed, tmp_path)
    assert done.returncode != 0, done.stdout
