"""Says in the log where the files of a recorder do not follow each other as they should."""

from edge_agent.identify import Identity
from edge_agent.journal import Desk
from edge_agent.listing import Listing
from edge_agent.station import Station
from evidence_model.ids import SessionId


def say_gaps(desk: Desk, station: Station, identity: Identity, listing: Listing, *, session_id: SessionId) -> None:
    """Sign a `footage.gap` for each gap that was not said before (recorders.md case 47)."""
