"""What people read, in Chinese and English. The codes' words are those of findings.toml; a test compares."""

from __future__ import annotations

LANGUAGES = ("zh", "en")

CODES: dict[str, dict[str, str]] = {
    "PKG-001": {
        "zh": "不是证据包，或缺少必要部分，或读不出",
        "en": "not an evidence package, or a part is missing or not readable",
        "fix_zh": "换读取设备再试，或向出具单位要一份新的",
        "fix_en": "try another reader, or ask whoever made it for another copy",
    },
    "PKG-002": {
        "zh": "路径越出证据包，或是链接、特殊文件",
        "en": "a name that leads out of the package, a link or a special file",
        "fix_zh": "不要打开；正常的证据包里没有，向出具单位查问",
        "fix_en": "do not open it; no package of ours has one, so ask whoever made it",
    },
    "PKG-003": {
        "zh": "清单里没有的文件",
        "en": "a file that no manifest names",
        "fix_zh": "不作为证据；多是存放时被别的程序加入的，移走后再核验",
        "fix_en": "it is no evidence; other programs leave such files: move it away and verify again",
    },
    "PKG-004": {
        "zh": "清单里有、证据包里没有的文件",
        "en": "a file that a manifest names is missing",
        "fix_zh": "向出具单位要一份完整的",
        "fix_en": "ask whoever made it for a complete copy",
    },
    "PKG-005": {
        "zh": "文件内容与清单不符",
        "en": "the bytes of a file are not those that the manifest names",
        "fix_zh": "要一份新的；录像中列出的损坏部分以外，其余各 MiB 仍得到证明",
        "fix_en": "ask for another copy; of footage, every MiB that is not named as damaged is still proved",
    },
    "PKG-010": {
        "zh": "证据包没有中心的有效签名",
        "en": "the package is not signed by the centre",
        "fix_zh": "不能证明由谁、为谁制作；逐个事件的签名仍单独有效。向出具单位查问",
        "fix_en": "nothing shows who made it and for whom; the events' own signatures still count. Ask whoever made it",
    },
    "PKG-011": {
        "zh": "中心签名的内容与证据包不符",
        "en": "what the centre signed does not agree with the package",
        "fix_zh": "制作之后有改动；向出具单位要一份新的",
        "fix_en": "it was changed after it was made; ask for another copy",
    },
    "PKG-012": {
        "zh": "证据包里的公钥与您手里的不同，或与其密钥文件不一致",
        "en": "the package's keys are not yours, or its key files differ from its trust.json",
        "fix_zh": "以另外渠道取得的公钥为准，向出具单位查问",
        "fix_en": "believe the keys that you got another way, and ask whoever made it",
    },
    "PKG-013": {
        "zh": "信任文件没有足够的根签名，或编号、前一份的摘要接不上",
        "en": "a trust document is not signed by enough roots, or does not follow the one before it",
        "fix_zh": "以您手里的信任文件为准，向出具单位查问",
        "fix_en": "believe your own trust document, and ask whoever made the package",
    },
    "PKG-014": {
        "zh": "证据包用的是已被替换的旧信任文件",
        "en": "the package brings an older trust document than its log already knew",
        "fix_zh": "已按您手里较新的一份核验；可要一份新的证据包",
        "fix_en": "it was verified with your newer one; you may ask for a package that is made now",
    },
    "PKG-015": {
        "zh": "证据包是为别人制作的",
        "en": "the package was made for somebody else",
        "fix_zh": "可能是转手或挪用的：向出具单位要一份为您制作的",
        "fix_en": "it was passed on: ask whoever made it for one that names you",
    },
    "PKG-020": {
        "zh": "信封或事件不符合规定格式",
        "en": "an envelope is not in its one form, or what it holds is no event",
        "fix_zh": "该事件不作为证据；要一份新的",
        "fix_en": "it proves nothing; ask for another copy",
    },
    "PKG-021": {
        "zh": "事件签名无效，或不是所称来源的签名",
        "en": "an event's signature does not verify, or is not by the source that it names",
        "fix_zh": "该事件不作为证据；保留现状并查问",
        "fix_en": "it proves nothing; keep everything as it is and ask",
    },
    "PKG-022": {
        "zh": "信封旁的原始文件与信封不一致",
        "en": "the raw payload, PAE or signature beside an envelope differs from it",
        "fix_zh": "以信封为准，不要用这些文件核验",
        "fix_en": "believe the envelope; do not verify with these files",
    },
    "PKG-023": {
        "zh": "这台机器不能核验 P-256 签名",
        "en": "a P-256 signature could not be checked on this machine",
        "fix_zh": "按所列 openssl 命令核验，或安装 Python 的 cryptography 后再核验",
        "fix_en": "check it with the openssl command given, or install Python's cryptography and verify again",
    },
    "PKG-024": {
        "zh": "SM3 或 SM2 在这台机器上没有核验；其余核验不靠它",
        "en": "an SM3 digest or SM2 signature was not checked on this machine; nothing else rests on it",
        "fix_zh": "用所列 openssl 命令核验（3.0 或更新）",
        "fix_en": "check it with the openssl command given (3.0 or newer)",
    },
    "PKG-025": {
        "zh": "事件的密钥当时尚未登记或已被撤销",
        "en": "an event is signed by a key that was not enrolled yet, or revoked already, at its place in the log",
        "fix_zh": "该事件不算数，不论它自称什么时间；查明密钥下落",
        "fix_en": "it does not count, whatever time it claims; ask who has that key",
    },
    "PKG-026": {
        "zh": "事件的密钥当时可能已被盗用",
        "en": "an event is signed by a key that may have been stolen by then",
        "fix_zh": "单凭这个事件不足为凭；与其他证据核对",
        "fix_en": "by itself it proves nothing: compare it with other evidence",
    },
    "PKG-027": {
        "zh": "SM3 或 SM2 与内容不符",
        "en": "an SM3 digest or SM2 signature does not fit what it stands beside",
        "fix_zh": "保留现状并查问；SHA-256 和 Ed25519 的结论见其他各项",
        "fix_en": "keep everything as it is and ask; what SHA-256 and Ed25519 say stands in the other lines",
    },
    "PKG-030": {
        "zh": "检查点没有日志密钥的有效签名",
        "en": "the log did not sign the checkpoint",
        "fix_zh": "不能证明事件在日志里；保留现状并查问",
        "fix_en": "nothing shows that the events are in the log; keep everything as it is and ask",
    },
    "PKG-031": {
        "zh": "日志条目不是这个信封的，或不是其来源签名的",
        "en": "the log's leaf is not this envelope's, or not signed by its source",
        "fix_zh": "不能证明该事件在日志里；保留现状并查问",
        "fix_en": "nothing shows that this event is in the log; keep everything as it is and ask",
    },
    "PKG-032": {
        "zh": "证明不能从该条目和序号推到检查点",
        "en": "the proof does not lead from leaf and index to the head",
        "fix_zh": "不能证明该事件在日志里；保留现状并查问",
        "fix_en": "nothing shows that this event is in the log; keep everything as it is and ask",
    },
    "PKG-033": {
        "zh": "日志的最新状态不包含早先的检查点",
        "en": "the head does not contain the anchor",
        "fix_zh": "日志可能被改写；两个检查点都要保留，并告知审计人员",
        "fix_en": "the log may have been rewritten; keep both checkpoints and tell the auditor",
    },
    "PKG-034": {
        "zh": "联署检查点的见证方不够",
        "en": "too few of the witnesses that are asked for cosigned the checkpoint",
        "fix_zh": "没有见证的日志，持有中心密钥的人都能伪造：不要采信；向出具单位要一份见证之后制作的",
        "fix_en": "a thief of the centre's keys could make such a log up: ask for one that they cosigned",
    },
    "PKG-035": {
        "zh": "证据包所依据的日志状态比要求的旧，或没有足够的见证方说明时间",
        "en": "the state of the log that it rests on is older than was asked for, or too few witnesses say when it was",
        "fix_zh": "内容可能仍然真实，但不是最新的：向出具单位要一份现在制作的",
        "fix_en": "what it says may be true and out of date: ask whoever made it for one that is made now",
    },
    "PKG-040": {
        "zh": "条目的事件链有缺号、分叉，或末尾与说明不同",
        "en": "an item's chain of events has a gap, a fork or another end than the package says",
        "fix_zh": "有事件被略去或替换；向出具单位查问",
        "fix_en": "an event was left out or exchanged; ask whoever made it",
    },
    "PKG-041": {
        "zh": "同一来源的事件在日志里的次序与其编号不符",
        "en": "events of one source stand in the log in another order than it numbered them",
        "fix_zh": "保留现状并查问",
        "fix_en": "keep everything as it is and ask",
    },
    "PKG-042": {
        "zh": "文件不是采集站签名事件所指的那个",
        "en": "the file is not the one that the station's signed event names",
        "fix_zh": "该文件不作为证据；要一份新的并查问",
        "fix_en": "this file is no evidence; ask for another copy, and why",
    },
    "PKG-043": {
        "zh": "分块清单或附属文件不是事件所指的那个",
        "en": "the chunk list or a blob is not the one that the event names",
        "fix_zh": "不要用它；要一份新的",
        "fix_en": "do not use it; ask for another copy",
    },
    "PKG-044": {
        "zh": "有的事件与证据包里的条目无关",
        "en": "an event in the package is about none of its items",
        "fix_zh": "可能涉及他人，不要传播；向出具单位查问",
        "fix_en": "it may be about other people, so do not pass it on; ask whoever made it",
    },
    "PKG-045": {
        "zh": "缺少应有的事件：带来该条目的接入，或签名密钥的登记",
        "en": "an event that belongs in the package is missing: the docking, or the enrolment of a key that signed",
        "fix_zh": "向出具单位要一份完整的",
        "fix_en": "ask whoever made it for a complete copy",
    },
    "PKG-050": {
        "zh": "package.json 或文件名与事件不一致",
        "en": "package.json or the file names do not agree with the events",
        "fix_zh": "以事件为准；要一份新的",
        "fix_en": "believe the events; ask for another copy",
    },
}

_SM2 = (
    "openssl pkeyutl -verify -pubin -inkey data/trust/keys/{key}.pem -rawin -digest sm3"
    " -pkeyopt distid:1234567812345678 -in {base}.pae -sigfile {base}.{key}.sig"
)
REASONS: dict[str, tuple[str, str]] = {
    "": ("", ""),
    "base64": ("不是规范的 base64", "not base64 in its one spelling"),
    "hex": ("应为 {size} 字节的小写十六进制", "{size} bytes in lowercase hexadecimal were expected"),
    "number": ("不是规范的十进制数：{text}", "not a decimal number in its one spelling: {text}"),
    "members": ("{what} 的成员应恰为：{expected}", "the members of {what} are to be exactly: {expected}"),
    "text": ("{what} 不是规定的文字", "{what} is not a text as specified"),
    "list": ("{what} 不是规定的列表", "{what} is not a list as specified"),
    "sorted": ("{what} 没有按规定排序，或有重复", "{what} is not sorted as specified, or something stands twice"),
    "form": ("{what} 的写法不对：{text}", "{what} is not of its form: {text}"),
    "instant": ("不是规定的时间：{text}", "not an instant as specified: {text}"),
    "version": ("不认识的版本：{found}", "an unknown version: {found}"),
    "json.object": ("不是 JSON 对象", "not a JSON object"),
    "json.malformed": ("不是合格的 JSON", "not JSON"),
    "json.canonical": ("不是 RFC 8785 的写法", "not in the form of RFC 8785"),
    "json.twice": ("同一个键出现两次", "a key stands twice in one object"),
    "json.number": ("应为文字而写成数字：{text}", "a number stands where text belongs: {text}"),
    "json.deep": ("嵌套超过 {depth} 层", "nested deeper than {depth}"),
    "json.key": ("键不是 ASCII", "a key is not ASCII"),
    "key": ("不是可用的公钥：{key}", "no usable public key: {key}"),
    "trust": ("不是规定的公钥文件", "not a trust file in its one form"),
    "trust.differs": ("不同的密钥：{key}", "another key: {key}"),
    "trust.another": (
        "与您手里第 {number} 号信任文件不是同一份",
        "it is not your trust document {number}, nor follows it",
    ),
    "trust.old": (
        "第 {number} 号；您手里的第 {known} 号自日志第 {size} 条起已有",
        "number {number}; yours is {known}, made when the log had {size} entries",
    ),
    "trust.possession": ("{name} 的密钥没有占有证明", "the key of {name} did not sign that it wants to be {name}"),
    "root.signatures": (
        "第 {number} 号：第 {of} 号要求 {threshold} 个根签名，只有 {count} 个",
        "number {number}: {count} signed of the {threshold} roots that number {of} asks for",
    ),
    "root.order": ("第 {number} 号接不上前一份", "number {number} does not follow the one before it"),
    "root.change": ("第 {number} 号收回了：{key}", "number {number} takes back: {key}"),
    "root.differs": ("trust.json 不是最后一份", "trust.json is another document than the last of these"),
    "range": (
        "{source} 的密钥 {key} 只在第 {start} 至 {until} 条之间算数",
        "key {key} of {source} counts from {start} to before {until} only",
    ),
    "suspect": (
        "{source} 的密钥 {key} 自第 {start} 条起可疑",
        "key {key} of {source} is suspect from {start} on",
    ),
    "trust.file": ("缺少，或与 trust.json 不一致", "missing, or not what trust.json says"),
    "note": ("不是规定的签名文本", "not a signed note in its one form"),
    "note.twice": ("同一签名者出现两次", "one signer stands in two lines"),
    "note.signature": ("{name} 的签名无效", "the signature of {name} does not fit"),
    "note.unsigned": ("没有已知密钥的签名", "no known key signed it"),
    "checkpoint": ("不是这个日志的检查点", "not a checkpoint of this log"),
    "policy": ("不是规定的见证规则", "not a witness policy in its one form"),
    "witnesses": ("{count} 个见证方联署，少于 {quorum} 的要求", "{count} cosigned, {quorum} asks for more"),
    "head.old": (
        "见证方联署于 {cosigned_at}，要求不早于 {asked}",
        "cosigned at {cosigned_at}, asked for is {asked} or later",
    ),
    "head.handed": (
        "日志已换过密钥（{count} 个），本程序还不能核验新日志包含旧日志的全部",
        "the log has had {count} keys; this program cannot check yet that what it held under the old one is in it",
    ),
    "head.undated": ("要求不早于 {asked}", "asked for is {asked} or later"),
    "recipient": ("写明交给 {found}，您是 {asked}", "it names {found}, you are {asked}"),
    "proof.form": ("证明的格式不对", "the proof is not in its form"),
    "proof.half": ("检查点和一致性证明缺一", "of checkpoint and consistency proof one is missing"),
    "proof.index": ("{size} 个条目里没有第 {index} 个", "there is no leaf {index} in a tree of {size}"),
    "proof.sizes": ("{old} 到 {new} 不能证明", "nothing can be proved from size {old} to {new}"),
    "proof.length": ("证明的长度不对", "the proof has too many or too few hashes"),
    "proof.root": ("得出的根是 {found}，签名的是 {signed}", "it gives root {found}, signed is {signed}"),
    "proof.fork": ("同为 {size} 却有两个根", "two roots of one size, {size}"),
    "proof.place": ("证明的是第 {index} 个条目", "it is the proof of leaf {index}"),
    "proof.head": ("证明的不是这里的检查点", "it leads to another checkpoint than the one in here"),
    "leaf": ("不是 {source} 对这个信封的条目签名", "not a leaf signature of {source} for this envelope"),
    "envelope": ("不是规定写法的信封", "not an envelope in its one form"),
    "envelope.order": ("签名没有排序、有重复或过多", "its signatures are not sorted, repeated or too many"),
    "envelope.signature": ("密钥 {key} 的签名无效", "the signature of key {key} does not fit"),
    "envelope.unknown": ("没有已知密钥的签名", "no known key signed it"),
    "envelope.source": ("不是 {source} 的密钥签名的", "not signed by the key of {source}"),
    "event.type": ("类型是 {found}", "it is of type {found}"),
    "event.first": (
        "编号从 1 开始，且只有第一个没有前一个",
        "numbers start at 1, and only the first has none before it",
    ),
    "file.missing": ("没有 {path}", "{path} is not there"),
    "file.unreadable": ("读不出 {path}：{why}", "{path} cannot be read: {why}"),
    "file.long": ("{path} 超过 {limit} 字节", "{path} has more than {limit} bytes"),
    "file.stray": ("与内容无关的文件", "a file that nothing in here speaks of"),
    "manifest.line": ("{path} 第 {line} 行不是清单的写法", "line {line} of {path} is no line of a manifest"),
    "manifest.path": ("不该列出或重复列出：{path}", "named twice, or not for this manifest to name: {path}"),
    "bagit": ("不是 BagIt 1.0 的声明", "not the declaration of BagIt 1.0"),
    "package.none": ("没有 bagit.txt 和 package.dsse.json", "there is neither bagit.txt nor package.dsse.json"),
    "signed.differs": ("{name}：签名的是 {signed}，实际是 {found}", "{name}: signed is {signed}, found is {found}"),
    "contents.events": (
        "package.json 与 events/ 列出的事件不同",
        "package.json and events/ do not name the same events",
    ),
    "item.differs": ("package.json 的大小或摘要与事件不同", "size or digest in package.json is not that of the events"),
    "item.id": (
        "编号不是由记录仪、原始路径、大小和摘要得出的",
        "its id is not the one that recorder, raw path, size and digest give",
    ),
    "item.gone": (
        "没有内容，却没有事件说已处置",
        "its bytes are not here, and no event says that they were disposed of",
    ),
    "chain.gap": ("缺第 {seq} 号", "number {seq} is missing"),
    "chain.fork": ("第 {seq} 号有两个", "number {seq} is there twice"),
    "chain.prev": ("第 {seq} 号所指的前一个不是这里的", "number {seq} names another predecessor"),
    "chain.end": ("末尾应是第 {seq} 号", "its end is to be number {seq}"),
    "chain.order": ("第 {seq} 号排在更大的号之后", "number {seq} stands after a larger number"),
    "belongs.docking": ("没有带来它的那次接入", "the docking that brought it is not in here"),
    "belongs.enrolment": ("没有这个密钥的登记", "the enrolment of this key is not in here"),
    "blocks": (
        "损坏的 MiB（从 1 数起）：{damaged}；仍得到证明的 {whole} 个",
        "damaged MiB (counted from 1): {damaged}; {whole} are still proved",
    ),
    "blocks.unknown": (
        "没有经证明的分块清单，说不出哪部分还好",
        "there is no chunk list that is proved, so nothing can be said of its parts",
    ),
    "sm3": ("openssl dgst -sm3 {path}；事件说的是 {said}", "openssl dgst -sm3 {path}; the event says {said}"),
    "sm3.differs": ("SM3 是 {found}，事件说的是 {said}", "its SM3 is {found}, the event says {said}"),
    "sm2": (_SM2, _SM2),
    "p256": (
        "openssl dgst -sha256 -verify data/trust/keys/{key}.pem -signature {base}.{key}.sig {base}.pae",
        "openssl dgst -sha256 -verify data/trust/keys/{key}.pem -signature {base}.{key}.sig {base}.pae",
    ),
}

TEXTS: dict[str, tuple[str, str]] = {
    "checked": (
        "核验了：{items} 项、{events} 个事件、{signatures} 个签名、{proofs} 个证明；{files} 个文件，{mib} MiB",
        "Checked: {items} items, {events} events, {signatures} signatures, {proofs} proofs; {files} files, {mib} MiB",
    ),
    "package": (
        "证据包 {id}：{site} 于 {created_at} 制作；交给：{recipient}；事由：{basis}",
        "Package {id}: made by {site} at {created_at}; for: {recipient}; why: {basis}",
    ),
    "log": (
        "日志 {origin}，截至 {size} 个条目；没有足够的见证方说明是何时",
        "Log {origin}, as of size {size}; too few witnesses say when that was",
    ),
    "log.cosigned": (
        "日志 {origin}，截至 {size} 个条目，见证方联署于 {cosigned_at}",
        "Log {origin}, as of size {size}, cosigned at {cosigned_at}",
    ),
    "anchor": (
        "日志没有改写过早先（{anchor} 个条目时）的内容",
        "The log did not rewrite what it held earlier (at {anchor} entries)",
    ),
    "item.yes": (
        "✓ {name} [{recorder}] {size_bytes} 字节，sha256 {sha256}；{station} 于 {pulled_at} 取得",
        "✓ {name} [{recorder}] {size_bytes} bytes, sha256 {sha256}; pulled by {station} at {pulled_at}",
    ),
    "item.no": ("✗ {name} [{recorder}]：未得到证明", "✗ {name} [{recorder}]: not proved"),
    "item.id": (
        "编号不是由记录仪、原始路径、大小和摘要得出的",
        "its id is not the one that recorder, raw path, size and digest give",
    ),
    "item.gone": ("· {name} [{recorder}]：只有事件，没有内容", "· {name} [{recorder}]: its events alone, no bytes"),
    "more": ("✗ {code} 另有 {count} 处", "✗ {code} {count} more"),
    "rests.own": (
        "依据的是证据包自带的公钥，它们本身不证明任何事：请从别的渠道取得，用 --trust 文件 再核验",
        "This rests on the package's own keys, which prove nothing: get them another way and verify with --trust FILE",
    ),
    "rests.known": ("依据的是您提供的公钥：{file}", "This rests on the keys that you gave: {file}"),
    "roots.one": (
        "信任文件第 {trust} 号，根签名 1 取 1：一台机器自己看守自己",
        "Trust document {trust}, 1 of 1: one machine guards itself",
    ),
    "roots": (
        "信任文件第 {trust} 号，须 {roots} 个根签名中的 {threshold} 个",
        "Trust document {trust}: {threshold} of {roots} root holders decide which keys count",
    ),
    "key": ("密钥 {name}：{id}", "Key {name}: {id}"),
    "with.own": (
        "Ed25519 由本程序自带的代码核验（RFC 8032）",
        "Ed25519 was verified by this program's own code (RFC 8032)",
    ),
    "with.library": (
        "Ed25519 由 Python 库 cryptography 核验；用 python3 -I -S 运行则由自带代码核验",
        "Ed25519 was verified by the library cryptography; with python3 -I -S this program's own code does it",
    ),
    "limit.before": (
        "不能证明：接入采集站之前记录仪里发生过什么",
        "Not proved: what happened inside the recorder before it was docked",
    ),
    "limit.time": (
        "不能证明：时刻。次序由编号和日志证明；钟点只是采集站和中心的时钟所说",
        "Not proved: the time of day. Numbers and log prove the order; the hour is what station and centre said",
    ),
    "limit.log": (
        "不能证明：日志只有一副面孔。没有见证方，请与别处保存的检查点比较",
        "Not proved: that everybody was shown the same log. There is no witness; compare checkpoints kept elsewhere",
    ),
    "limit.witnessed": (
        "日志只有一副面孔，这由见证方 {witnesses} 担保：请查明他们是谁的",
        "That everybody was shown the same log rests on the witnesses {witnesses}: ask whose they are",
    ),
    "limit.person": (
        "不能证明：是哪个人。个人密钥尚未启用，标注和说明是机器代签的",
        "Not proved: which person it was. There are no personal keys yet; machines sign what people type",
    ),
    "limit.words": (
        "不能证明：没有略去条目最后的事件（例如最后的标注）。链尾在哪里，只凭中心的说法",
        "Not proved: that an item's last events (a last tag, say) are here. Where its chain ends, the centre says",
    ),
    "limit.end": (
        "不能证明：证据包制作之后的事件，以及从未签名的事",
        "Not proved: events after the package was made, and whatever nobody ever signed",
    ),
    "exit.0": ("结论：全部相符", "Result: everything agrees"),
    "exit.1": (
        "结论：没有丢失或改动，但有不符合要求之处",
        "Result: nothing was lost or altered, but not all is as it has to be",
    ),
    "exit.4": ("结论：读不出，或有的部分不能在这里核验", "Result: it cannot be read, or a part cannot be checked here"),
    "exit.5": ("结论：有内容丢失或被改动", "Result: something was lost or altered"),
    "progress": ("已核验 {done} / {total} MiB", "{done} of {total} MiB"),
    "trust.bad": ("这不是公钥文件（trust.json）：{file}", "This is no trust file (trust.json): {file}"),
}


def say(table: dict[str, tuple[str, str]], key: str, language: str, /, **facts: object) -> str:
    """Return a text with its blanks filled."""
    return table[key][LANGUAGES.index(language)].format(**facts)
