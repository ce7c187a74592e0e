"""Which file of a package is what (docs/spec/evidence-package.md, "Files")."""

from __future__ import annotations

import re

MANIFEST, TAG_MANIFEST, SIGNED = "manifest-sha256.txt", "tagmanifest-sha256.txt", "package.dsse.json"
CONTENTS, TRUST, POLICY = "data/package.json", "data/trust/trust.json", "data/trust/policy.sigsum"
HEAD, ANCHOR, CONSISTENCY = (f"data/proofs/{name}" for name in ("checkpoint-head", "checkpoint-anchor", "consistency"))
BEYOND_MANIFESTS = (SIGNED, TAG_MANIFEST)
MIRRORED, MIRRORED_CONSISTENCY = "data/proofs/checkpoint-mirrored", "data/proofs/consistency-mirrored"
REQUIRED = ("bagit.txt", "bag-info.txt", MANIFEST, TAG_MANIFEST, SIGNED, CONTENTS, TRUST, HEAD)
BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
EVENT_FILE = re.compile(r"data/events/(0|[1-9][0-9]{0,18})\.(dsse\.json|payload|pae|[0-9a-f]{64}\.sig)")
PROOF_FILE = re.compile(r"data/proofs/(0|[1-9][0-9]{0,18})\.sigsum")
HANDOVER_FILE = re.compile(r"data/proofs/handover-(0|[1-9][0-9]{0,18})")
PRESENCE_FILE = re.compile(r"data/proofs/presence-([0-9a-f]{32})\.json")
RECORDER_FILE = re.compile(r"data/proofs/recorder-([A-Za-z0-9][A-Za-z0-9_-]{0,63})\.json")
