"""Do the trust file, the private keys of this home and the keys that the log enrolled all speak of the same keys?

Three witnesses: where two agree against the third, the third is named.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chain_of_custody.signatures import KeyId, Verifier, verifier_for
from chain_of_custody.trust_entries import SourceRole, TrustedLog
from evidence_model.errors import EvidockError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from evidence_store.errors import TrustSetBackError
from evidence_store.fsck_facts import LogFacts
from evidence_store.own_facts import keys_of
from host_io.config import HomePaths
from host_io.keys import read_signing_key
from host_io.pkcs11_keys import TokenUnavailableError
from host_io.trust import (
    RootsDamagedError,
    Trust,
    TrustMissingError,
    centre_key_path,
    check_home_roots,
    log_key_path,
    next_log_key_path,
    read_trust,
    station_key_path,
)

TRUST_AND_KEYS_DIFFER = "STO-064"
TRUST_AND_LOG_DIFFER = "STO-065"
KEY_FILE_WRONG = "STO-073"


@dataclass(slots=True)
class TrustCheck:
    """The keys of a home; `trust` is None if its file is missing or damaged."""

    paths: HomePaths
    signers: frozenset[tuple[str, str]] = frozenset()  # (role, id) of those who sign here
    trust: Trust | None = None
    is_missing: bool = False  # there is no trust.json
    private: dict[tuple[str, str], bytes] = field(default_factory=dict)  # (role, id) → public key of the private one
    findings: list[Finding] = field(default_factory=list)

    def read(self) -> None:
        """Read the trust file and every key file that is there."""
        try:
            self.trust = read_trust(self.paths.trust)
        except TrustMissingError:
            self.is_missing = True
        except EvidockError as error:
            self.findings.append(Finding(error.code, Severity.DAMAGE, "trust.json", {"why": str(error)[:300]}))
        else:
            self._check_roots(self.trust)
        owners = {("log", ""), ("centre", ""), *self.signers}
        if self.paths.keys.is_dir():
            owners |= {
                ("station", path.stem.removeprefix("station-")) for path in self.paths.keys.glob("station-*.key")
            }
        files = {owner: self._key_path(*owner) for owner in sorted(owners)}
        there = {owner: path for owner, path in files.items() if os.path.lexists(path)}
        absent = [files[owner] for owner in sorted(self.signers - there.keys())]
        if not there and absent:  # a copy of the home without its secrets
            self.findings.append(Finding(KEY_FILE_WRONG, Severity.NOTE, "keys", {"why": "no private key is there"}))
        else:
            details = {"why": "it is not there"}
            self.findings += [Finding(KEY_FILE_WRONG, Severity.DAMAGE, f"keys/{path.name}", details) for path in absent]
        for owner, path in there.items():
            try:
                self.private[owner] = read_signing_key(path).public_key
            except TokenUnavailableError as error:  # elsewhere than where the token is; nothing is lost
                details = {"why": str(error)[:300]}
                self.findings.append(Finding(KEY_FILE_WRONG, Severity.NOTE, f"keys/{path.name}", details))
            except EvidockError as error:
                details = {"why": str(error)[:300]}
                self.findings.append(Finding(KEY_FILE_WRONG, Severity.DAMAGE, f"keys/{path.name}", details))

    def _check_roots(self, trust: Trust) -> None:
        """Note it if nobody signed for trust.json; a station may have but that file, brought by hand."""
        if ("log", "") not in self.signers and not self.paths.trust_roots.exists():
            return
        try:
            check_home_roots(self.paths, trust)
        except RootsDamagedError as error:
            self.findings.append(Finding(error.code, Severity.DAMAGE, "trust.json", {"why": str(error)[:300]}))

    def centre_key_ids(self) -> frozenset[str]:
        """Return the ids of the keys that are the centre's by this home's own word."""
        trusted = self.trust.sources if self.trust else ()
        keys = [self.private.get(("centre", "")), *(each.key for each in trusted if each.role is SourceRole.CENTRE)]
        return frozenset(KeyId.of(key).text for key in keys if key is not None)

    @property
    def log_key(self) -> bytes | None:
        """Return the log's public key."""
        return self.trust.log_key if self.trust else self.private.get(("log", ""))

    @property
    def logs_before(self) -> tuple[TrustedLog, ...]:
        """Return the keys that signed the log before that one."""
        return self.trust.logs[:-1] if self.trust else ()

    @property
    def centre_key(self) -> bytes | None:
        """Return the centre's public key."""
        return self.trust.centre.key if self.trust else self.private.get(("centre", ""))

    def verifiers(self) -> Mapping[KeyId, Verifier]:
        """Return all who ever signed: the trusted keys, or what the private ones tell if there is no trust file."""
        if self.trust is not None:
            return self.trust.all_verifiers()
        found = [verifier_for(key) for (role, _), key in self.private.items() if role != "log"]
        return {verifier.key_id: verifier for verifier in found}

    def check(self, facts: LogFacts) -> Iterator[Finding]:
        """Yield where trust file, private keys and log disagree."""
        yield from self.findings
        if self.trust is None:
            return
        if facts.trust_number > self.trust.number:
            details = {"number": str(self.trust.number), "logged": str(facts.trust_number)}
            yield Finding(TrustSetBackError.code, Severity.DAMAGE, "trust.json", details)
        yield from self._compare("log", self.trust.site, self.trust.log_key, facts, is_first=len(self.trust.logs) == 1)
        known: set[SourceId] = set()
        for source in self.trust.sources:
            if source.is_in_force:
                is_first = source.id not in known
                yield from self._compare(source.role.value, source.id, source.key, facts, is_first=is_first)
            known.add(source.id)

    def _key_path(self, role: str, name: str) -> Path:
        if role == "station":
            return station_key_path(self.paths, SourceId(name))
        return self._log_key_path() if role == "log" else centre_key_path(self.paths)

    def _log_key_path(self) -> Path:
        """Return where the log's key lies: beside its place if a hand-over was cut off, which the next start ends."""
        new = next_log_key_path(self.paths)
        if self.trust is not None and new.exists():
            with contextlib.suppress(EvidockError):
                if read_signing_key(new).public_key == self.trust.log_key:
                    return new
        return log_key_path(self.paths)

    def _compare(self, role: str, name: SourceId, key: bytes, facts: LogFacts, *, is_first: bool) -> Iterator[Finding]:
        """Compare a key with its file and with the log, which hears of a replaced key when the store runs next."""
        subject = f"{role}/{name}"
        private = self.private.get((role, name if role == "station" else ""))
        enrolled = facts.enrolled.get((role, name))
        is_enrolled = enrolled is not None and key.hex() in enrolled
        if private is not None and private != key:
            wrong = "keys" if is_enrolled else "trust.json"
            yield Finding(TRUST_AND_KEYS_DIFFER, Severity.DAMAGE, wrong, {"of": subject})
        if enrolled is not None and not is_enrolled:
            severity = Severity.DAMAGE if is_first else Severity.NOTE
            yield Finding(TRUST_AND_LOG_DIFFER, severity, "trust.json", {"of": subject})


def check_names(check: TrustCheck, facts: LogFacts) -> Iterator[Finding]:
    """Yield names of the trust file that the log does not know: a new station, or a changed name."""
    if check.trust is None or not facts.enrolled:
        return
    names_of: dict[str, set[str]] = {}
    for (_, enrolled_name), enrolled_keys in facts.enrolled.items():
        for enrolled_key in enrolled_keys:
            names_of.setdefault(enrolled_key, set()).add(enrolled_name)
    for role, name, key in keys_of(check.trust):
        known = names_of.get(key.hex(), set())
        if (role, name) in facts.enrolled or name in known:
            continue
        severity = Severity.DAMAGE if known else Severity.NOTE  # a new one is enrolled when the store runs next
        yield Finding(TRUST_AND_LOG_DIFFER, severity, "trust.json", {"of": f"{role}/{name}"})
