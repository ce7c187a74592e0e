"""SM3 as this Python makes it is the standard's."""

from evidence_model.digests import new_sm3


def test_sm3_gives_the_standards_example() -> None:
    digest = new_sm3()
    assert digest is not None
    digest.update(b"abc")  # GB/T 32905-2016, A.1
    assert digest.hexdigest() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
