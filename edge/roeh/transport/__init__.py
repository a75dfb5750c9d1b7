"""How messages leave a pole and what they are: topics, payloads, the MQTT adapter."""
