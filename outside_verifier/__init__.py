"""Checks an evidence package with nothing but Python 3.9: no room of ours is imported, so it can go out as one file.

It is handed to courts as `verify.pyz` (made by `build.py`) and follows docs/spec/evidence-package.md. Read it in this
order: `strict` (texts with one spelling); `ed25519`, `keys`; `notes`, `witnesses`, `merkle`, `sigsum` (the log);
`envelope`, `event` (what is signed); `trust`; `bag` (files); `contents`, `chains`, `package` (the checks); `report`,
`words`, `main`.
"""
