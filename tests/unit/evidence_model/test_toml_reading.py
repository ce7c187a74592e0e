"""Hand-written TOML: every mistake, all at once, each with its line."""

from enum import Enum

from evidence_model.toml_reading import TomlReading

TEXT = """
id = 7
[part]
count = -1
kind = "green"
colour = "red"

[[list]]
name = "one"
[[list]]
name = 2
"""


class Kind(Enum):
    RED = "red"


def test_every_mistake_is_named_with_its_line() -> None:
    reading = TomlReading(TEXT, name="x.toml")
    root = reading.root
    root.text("id")
    part = root.table("part")
    part.integer("count")
    part.choice("kind", Kind)
    part.text("gone")
    part.finish()
    for table in root.tables("list"):
        table.text("name")
    root.finish()
    found = {(mistake.line, mistake.what.split(":")[0]) for mistake in reading.mistakes}
    assert found == {
        (2, "id"),
        (4, "part.count"),
        (5, "part.kind"),
        (3, "part.gone"),
        (6, "part.colour"),
        (11, "list.1.name"),
    }


def test_a_syntax_error_has_its_line_too() -> None:
    (mistake,) = TomlReading("a = 1\nb = = 2\n", name="x.toml").mistakes
    assert mistake.line == 2


def test_a_text_without_mistakes_has_none() -> None:
    reading = TomlReading('a = "x"\nn = 3\nok = true\nl = ["p"]\n', name="x.toml")
    root = reading.root
    assert (root.text("a"), root.integer("n"), root.flag("ok"), root.texts("l")) == ("x", 3, True, ("p",))
    root.finish()
    assert reading.mistakes == []


def test_true_is_no_number_and_a_bad_expression_is_a_mistake() -> None:
    reading = TomlReading('n = true\nr = "("\n', name="x.toml")
    reading.root.integer("n")
    assert reading.root.expression("r") is None
    assert len(reading.mistakes) == 2
