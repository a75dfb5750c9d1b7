"""desk.keys_file: a line a key; a mistake is told with its line."""

import base64
import hashlib

import pytest

from roeh.core.errors import ConfigError
from roeh.transport.desk_keys import read_desk_keys
from roeh.transport.signed import DeskKey

ACK = DeskKey("haifa-desk", bytes(range(32)))
COMMAND = DeskKey("haifa-command", bytes(range(1, 33)))


def witness_line(name="police", public_key=bytes(32)):
    typed = b"\x04" + public_key
    key_id = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4].hex()
    return f"witness {name}+{key_id}+{base64.b64encode(typed).decode()}"


def test_each_use_has_its_own_keys(tmp_path):
    path = tmp_path / "desk.keys"
    path.write_text(
        f"# of the city of Haifa\n\nack {ACK.verifier_key}  # since May\n"
        f"command {COMMAND.verifier_key}\n{witness_line()}\n"
    )
    keys = read_desk_keys(path)
    assert (keys.ack, keys.command) == ((ACK,), (COMMAND,))
    assert [witness.name for witness in keys.witness] == ["police"]


@pytest.mark.parametrize(
    "line",
    [
        "ack",
        f"sign {ACK.verifier_key}",
        f"ack {ACK.verifier_key} more",
        f"witness {ACK.verifier_key}",  # of the wrong type
        witness_line().replace("witness", "ack"),
        f"ack {ACK.verifier_key[:-6]}",
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, line):
    path = tmp_path / "desk.keys"
    path.write_text(f"ack {ACK.verifier_key}\n{line}\n")
    with pytest.raises(ConfigError, match="line 2 of"):
        read_desk_keys(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="keys_file"):
        read_desk_keys(tmp_path / "nothing")
