"""Adapters to the outside world used by two programs or more; the only place with the clock, durable writes, MQTT."""
