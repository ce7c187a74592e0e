"""RFC 8785's published examples (cyberphone/json-canonicalization at 19d51d7, testdata/), inputs and expected bytes.

An event holds no numbers and no key beyond ASCII, so of the six files one is writable as it stands; the others are
refused as a whole, and what is left of them without those members is compared with the library that passes all six.
"""

import json

import pytest
import rfc8785

from evidence_model.canonical import Json, MalformedJsonError, canonical_bytes, parse_strict

PUBLISHED = {
    "arrays": (r'[56,{"d":true,"10":null,"1":[]}]', '[56,{"1":[],"10":null,"d":true}]'),
    "french": (
        (
            '{"peach":"This sorting order","péché":"is wrong according to French",'
            '"pêche":"but canonicalization MUST","sin":"ignore locale"}'
        ),
        (
            '{"peach":"This sorting order","péché":"is wrong according to French",'
            '"pêche":"but canonicalization MUST","sin":"ignore locale"}'
        ),
    ),
    "structures": (
        r'{"1":{"f":{"f":"hi","F":5},"\n":56.0},"10":{},"":"empty","a":{},"111":[{"e":"yes","E":"no"}],"A":{}}',
        r'{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}',
    ),
    "unicode": (r'{"Unnormalized Unicode":"A\u030a"}', '{"Unnormalized Unicode":"A\u030a"}'),
    "values": (
        r'{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
        r'"string":"\u20ac$\u000F\u000aA' + "'" + r'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}',
        r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        r'"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}',
    ),
    "weird": (
        (
            r'{"\u20ac":"Euro Sign","\r":"Carriage Return","\u000a":"Newline","1":"One","\u0080":"Control\u007f",'
            r'"\ud83d\ude02":"Smiley","\u00f6":"Latin Small Letter O With Diaeresis",'
            r'"\ufb33":"Hebrew Letter Dalet With Dagesh","</script>":"Browser Challenge"}'
        ),
        (
            r'{"\n":"Newline","\r":"Carriage Return","1":"One","</script>":"Browser Challenge",'
            '"\u0080":"Control\u007f","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😂":"Smiley",'
            '"\ufb33":"Hebrew Letter Dalet With Dagesh"}'
        ),
    ),
}
WRITABLE = {"unicode"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_library_that_ours_is_compared_with_passes_the_published_examples(name: str) -> None:
    given, expected = PUBLISHED[name]
    assert rfc8785.dumps(json.loads(given)) == expected.encode()


@pytest.mark.parametrize("name", PUBLISHED)
def test_ours_writes_the_published_bytes_or_refuses_what_no_event_may_hold(name: str) -> None:
    given, expected = PUBLISHED[name]
    if name in WRITABLE:
        assert canonical_bytes(parse_strict(given.encode())) == expected.encode()
        return
    with pytest.raises(MalformedJsonError):
        canonical_bytes(json.loads(given))


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_an_event_may_hold_of_them_is_written_as_published(name: str) -> None:
    rest = _without_what_no_event_holds(json.loads(PUBLISHED[name][0]))
    assert canonical_bytes(rest) == rfc8785.dumps(rest)
    assert rest  # something is left to compare


def _without_what_no_event_holds(value: object) -> Json:
    if isinstance(value, dict):
        kept = {key: member for key, member in value.items() if key.isascii() and not _is_number(member)}
        return {key: _without_what_no_event_holds(member) for key, member in kept.items()}
    if isinstance(value, list):
        return [_without_what_no_event_holds(member) for member in value if not _is_number(member)]
    assert value is None or isinstance(value, bool | str)
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
