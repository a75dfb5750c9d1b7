"""Scenes on a disk: what was written is there, whatever ended the writing."""

import msgspec
import pytest

from roeh.core.errors import OutputRefused
from roeh.tune.scene_file import SceneFile, read_scenes
from roeh.vision.scene import Scene
from tests.unit.rule_scenes import frame_at, track_at


def scene(number, *track_ids, boot_id="a"):
    """Every fifth of a second, with these tracks."""
    frame = msgspec.structs.replace(frame_at(number / 5), boot_id=boot_id)
    tracks = tuple(track_at(1.0, 5.0, number / 5, track_id=one) for one in track_ids)
    return Scene(frame=frame, tracks=tracks)


def write(path, scenes, per_block=10):
    """Go on with the file; from where."""
    with SceneFile(path, per_block=per_block) as file:
        stand = file.resume()
        for one in scenes:
            file.append(one)
    return stand


def test_what_is_written_is_read_again(tmp_path):
    scenes = [scene(number, 1, 2) for number in range(25)]
    assert write(tmp_path / "scenes", scenes) is None
    assert list(read_scenes(tmp_path / "scenes")) == scenes


@pytest.mark.parametrize("cut_bytes", [1, 9, 40])
def test_a_torn_block_costs_itself_alone(tmp_path, cut_bytes):
    path = tmp_path / "scenes"
    scenes = [scene(number, 1) for number in range(30)]
    write(path, scenes)
    path.write_bytes(path.read_bytes()[:-cut_bytes])
    assert list(read_scenes(path)) == scenes[:20]
    stand = write(path, scenes[20:])
    assert stand.t_mono_ns == scenes[19].frame.t_mono_ns
    assert list(read_scenes(path)) == scenes


def test_a_changed_byte_is_seen(tmp_path):
    path = tmp_path / "scenes"
    write(path, [scene(number, 1) for number in range(30)])
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert len(list(read_scenes(path))) == 20


def test_it_goes_on_where_nobody_was_rather_than_cut_somebody_in_two(tmp_path):
    path = tmp_path / "scenes"
    empty = [scene(number) for number in range(20)]
    write(path, empty + [scene(number, 7) for number in range(20, 50)])
    stand = write(path, ())
    assert stand.t_mono_ns == empty[-1].frame.t_mono_ns
    assert stand.last_track_id == 7
    assert list(read_scenes(path)) == empty


def test_a_quiet_moment_of_another_boot_is_none(tmp_path):
    path = tmp_path / "scenes"
    before = [scene(number) for number in range(20)]
    after = [scene(number, 3, boot_id="b") for number in range(20)]
    write(path, before + after)
    stand = write(path, ())
    assert (stand.boot_id, stand.last_track_id) == ("b", 3)
    assert list(read_scenes(path)) == before + after


def test_two_do_not_write_one_file(tmp_path):
    with SceneFile(tmp_path / "scenes"), pytest.raises(OutputRefused, match="another roeh tune"):
        SceneFile(tmp_path / "scenes")


def test_tracks_are_for_their_owner_alone(tmp_path):
    write(tmp_path / "scenes", [scene(1, 1)])
    assert (tmp_path / "scenes").stat().st_mode & 0o777 == 0o600
