"""The package vectors that are about keys: whose they are, who guards them, and where in the log they count."""

from __future__ import annotations

from tests.vectors.changes import key_file_exchanged, sealed, signed_by_no_root
from tests.vectors.packages import (
    ANOTHER_LOG,
    NEWER,
    NEXT,
    OLDER,
    REVOKED,
    SUSPECT,
    Case,
    as_it_is,
    bad_case,
)

CASES = [
    Case(
        "outsider_has_an_older_trust_document",
        frozenset(),
        "the outsider has the first trust document, to which the package's second one leads back",
        "核验人手里是第一份信任文件，证据包里的第二份接得上它",
        trust=OLDER,
    ),
    Case(
        "outsider_has_a_trust_document_made_later",
        frozenset(),
        "the outsider has a trust document that was made after the package",
        "核验人手里的信任文件是在证据包之后制作的",
        trust=NEXT,
    ),
    Case(
        "outsider_has_no_keys",
        frozenset(),
        "without keys of one's own the package agrees with itself, which proves nothing",
        "没有自己的公钥时，证据包只与自身相符，什么也不证明",
        trust=None,
    ),
    bad_case(
        "PKG-012_log_of_another_site",
        as_it_is,
        "the log's key is not the one that the outsider has",
        "日志的密钥不是核验人手里的那个",
        "PKG-030",
        "PKG-042",
        "PKG-043",
        trust=ANOTHER_LOG,
    ),
    bad_case(
        "PKG-012_key_file_exchanged",
        sealed(key_file_exchanged),
        "a key file for other tools holds another station's key",
        "供其他工具使用的密钥文件被换成另一采集站的",
    ),
    bad_case(
        "PKG-013_signed_by_no_root",
        sealed(signed_by_no_root),
        "a trust document is signed by somebody who is no root of the one before it",
        "信任文件的签名者不是前一份所列的根",
        trust=OLDER,
    ),
    bad_case(
        "PKG-014_old_trust_document",
        as_it_is,
        "the log already knew the outsider's newer trust document",
        "日志早已有核验人手里那份更新的信任文件",
        trust=NEWER,
    ),
    bad_case(
        "PKG-025_key_revoked",
        as_it_is,
        "the station's key was revoked before it signed for the recordings",
        "采集站为录像签名之前其密钥已撤销",
        "PKG-042",
        "PKG-043",
        trust=REVOKED,
    ),
    bad_case(
        "PKG-026_key_may_be_stolen",
        as_it_is,
        "the station's key may have been stolen before it signed for the recordings",
        "采集站为录像签名之前其密钥可能已被盗用",
        trust=SUSPECT,
    ),
]
