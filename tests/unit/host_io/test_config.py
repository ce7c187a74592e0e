"""`evidock.toml`: good defaults, and every mistake told at once by its name."""

from pathlib import Path

import pytest

from host_io.config import BrokerKind, ConfigError, HomePaths, NoHomeError, Role, parse_config, read_config


def test_an_empty_file_is_a_workstation_with_its_own_broker() -> None:
    config = parse_config("", where="here")
    assert config.role is Role.WORKSTATION
    assert config.broker.kind is BrokerKind.EMBEDDED
    assert config.station.free_recorders is False
    assert config.role.pulls
    assert config.role.stores


@pytest.mark.parametrize(
    ("role", "pulls", "stores"), [("workstation", True, True), ("station", True, False), ("centre", False, True)]
)
def test_a_role_says_what_runs(role: str, pulls: bool, stores: bool) -> None:
    config = parse_config(f'[home]\nrole = "{role}"\n', where="here")
    assert (config.role.pulls, config.role.stores) == (pulls, stores)


def test_settings_are_read_with_their_units() -> None:
    config = parse_config(
        '[home]\nsite = "north"\n[broker]\nkind = "external"\nhost = "mq"\nport = 8883\nmqtt5 = true\n'
        '[station]\nid = "dock-7"\ndock_folders = ["/media"]\nspool_reserve = "2 GiB"\nfree_recorders = true\n',
        where="here",
    )
    assert (config.site, config.broker.port, config.broker.mqtt5) == ("north", 8883, True)
    assert (config.station.id, config.station.dock_folders) == ("dock-7", ("/media",))
    assert config.station.spool_reserve_bytes == 2 << 30
    assert config.station.free_recorders is True


def test_every_mistake_is_named_at_once() -> None:
    text = (
        "stray = 1\n"
        '[home]\nrole = "king"\nunit = 5\nsite = "No Such/Name"\n'
        '[broker]\nport = 99999\nmqtt5 = "yes"\nport_ = 1\n'
        '[station]\nspool_reserve = "lots"\ndock_folders = "not a list"\nconcurrent_pulls = true\n'
    )
    with pytest.raises(ConfigError) as caught:
        parse_config(text, where="evidock.toml")
    said = str(caught.value)
    for name in (
        "stray",
        "home.role",
        "home.unit",
        "home.site",
        "broker.port",
        "broker.mqtt5",
        "broker.port_",
        "station.spool_reserve",
        "station.dock_folders",
        "station.concurrent_pulls",
    ):
        assert name in said
    assert caught.value.exit_code == 2


def test_what_is_no_toml_says_where() -> None:
    with pytest.raises(ConfigError, match="line 1"):
        parse_config("= nothing", where="evidock.toml")


def test_no_home_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(NoHomeError, match=str(tmp_path)):
        read_config(HomePaths(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(NoHomeError):
        read_config(HomePaths(tmp_path / "file"))


def test_everything_of_a_home_lies_inside_it(tmp_path: Path) -> None:
    paths = HomePaths(tmp_path)
    names = [name for name, value in vars(HomePaths).items() if isinstance(value, property)]
    assert len(names) > 10
    assert all(getattr(paths, name).is_relative_to(tmp_path) for name in names)
