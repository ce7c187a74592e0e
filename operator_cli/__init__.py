"""See docs/design/rooms.md."""
