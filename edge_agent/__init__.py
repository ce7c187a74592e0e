"""The docking station's agent: finds recorders, checks them, pulls and signs their footage."""
