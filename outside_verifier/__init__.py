"""Checks an evidence package with nothing but Python 3.9: no room of ours is imported, so it can go out as one file.

It is handed to courts as `verify.pyz` (made by `build.py`) and follows docs/spec/evidence-package.md. Read it in this
order: `strict` (texts with one spelling); `ed25519`, `keys`, `openssl_sm2`; `notes`, `witnesses`, `merkle`, `sigsum`
(the log); `envelope`, `event` (what is signed); `seals`; `trust`; `bag`, `layout`, `contents` (files). Then `package`:
the table of contents of all checks, each in a `check_` module; `examination` is what they share. At last `findings`,
`report`, `words`, `main`.
"""
