"""Only models the manifest lists are loaded, and what was verified is what runs."""

from __future__ import annotations

import gc
import hashlib
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from roeh.core.errors import ConfigError, ModelMissing, ModelRefused, RuntimeMissing
from roeh.core.types import Size
from roeh.vision.manifest import (
    VerifiedModel,
    check_models,
    find_models_dir,
    load_manifest,
    open_model,
    verify,
)
from roeh.vision.runner import choose_runtime, open_runner

NAME = "nanodet_g_coco_416_int8"
FILE = f"{NAME}.tflite"
COMMITTED = find_models_dir(environ={})


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A models directory of one's own, to be spoilt."""
    directory = tmp_path / "models"
    directory.mkdir()
    for path in (*COMMITTED.glob("*.tflite"), COMMITTED / "manifest.json"):
        shutil.copy(path, directory)
    return directory


@pytest.fixture(scope="module")
def model() -> VerifiedModel:
    return open_model(NAME, COMMITTED)


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# What the manifest says


def test_every_committed_model_is_what_the_manifest_says() -> None:
    checks = check_models(COMMITTED)
    assert len(checks) >= 2
    assert {check.state for check in checks} == {"ok"}


def test_the_manifest_names_licence_source_and_measured_quality() -> None:
    for network, entry in load_manifest(COMMITTED).entries():
        assert network.licence
        assert network.provenance.files
        assert entry.measured
        assert entry.size_bytes == (COMMITTED / entry.file).stat().st_size
        assert len(set(network.labels)) == len(network.labels) == 80
        assert set(network.used_labels) <= set(network.labels)


def test_the_calibration_list_has_as_many_pictures_as_the_manifest_says() -> None:
    for network in load_manifest(COMMITTED).networks:
        lines = (COMMITTED / network.calibration.list_file).read_text().splitlines()
        pictures = [line for line in lines if not line.startswith("#")]
        assert len(pictures) == len(set(pictures)) == network.calibration.pictures


def test_a_manifest_with_a_field_nobody_knows_is_refused(models_dir: Path) -> None:
    path = models_dir / "manifest.json"
    path.write_text(path.read_text().replace('"size_bytes"', '"size_kb"', 1))
    with pytest.raises(ModelRefused, match="size_kb"):
        load_manifest(models_dir)


def test_a_manifest_with_one_name_twice_is_refused(models_dir: Path) -> None:
    path = models_dir / "manifest.json"
    path.write_text(path.read_text().replace("nanodet_g_coco_640x384_int8", NAME))
    with pytest.raises(ModelRefused, match=NAME):
        load_manifest(models_dir)


# What may be loaded


def test_a_model_is_opened_by_name_or_by_path(models_dir: Path) -> None:
    by_name = open_model(NAME, models_dir)
    by_path = open_model(str(models_dir / FILE), COMMITTED)
    assert by_name.sha256 == by_path.sha256
    assert by_name.input_size == Size(width_px=416, height_px=416)


def test_a_listed_file_under_another_name_is_still_the_same_model(models_dir: Path) -> None:
    renamed = (models_dir / FILE).rename(models_dir / "detector.tflite")
    assert open_model(str(renamed), models_dir).name == NAME


def test_one_changed_bit_and_the_model_is_refused(models_dir: Path) -> None:
    spoil(models_dir / FILE)
    with pytest.raises(ModelRefused) as refusal:
        open_model(NAME, models_dir)
    assert FILE in refusal.value.line()
    assert hashlib.sha256((models_dir / FILE).read_bytes()).hexdigest() in refusal.value.line()


def test_a_model_the_manifest_does_not_list_is_refused(models_dir: Path) -> None:
    stranger = models_dir / "stranger.tflite"
    stranger.write_bytes(b"TFL3 from somewhere")
    with pytest.raises(ModelRefused, match="does not list"):
        open_model(str(stranger), models_dir)


def test_a_missing_file_and_an_unknown_name_say_what_to_do(models_dir: Path) -> None:
    (models_dir / FILE).unlink()
    with pytest.raises(ModelMissing, match=FILE):
        open_model(NAME, models_dir)
    with pytest.raises(ModelMissing, match=NAME):
        open_model("yolo", models_dir)


def test_the_bytes_that_were_verified_are_the_ones_that_run(models_dir: Path) -> None:
    verified = open_model(NAME, models_dir)
    (models_dir / FILE).write_bytes(b"swapped after the check")
    assert open_runner(verified).input_size == verified.input_size


def test_checking_names_what_is_changed_missing_and_unlisted(models_dir: Path) -> None:
    spoil(models_dir / FILE)
    (models_dir / "nanodet_g_coco_640x384_int8.tflite").unlink()
    (models_dir / "stranger.tflite").write_bytes(b"?")
    states = {check.file: check.state for check in check_models(models_dir)}
    assert states == {
        FILE: "changed",
        "nanodet_g_coco_640x384_int8.tflite": "missing",
        "stranger.tflite": "unlisted",
    }


# Where models are looked for


def test_the_named_directory_goes_before_the_environment(models_dir: Path, tmp_path: Path) -> None:
    environ = {"ROEH_MODELS": str(models_dir)}
    assert find_models_dir(environ=environ) == models_dir
    assert find_models_dir(COMMITTED, environ=environ) == COMMITTED
    with pytest.raises(ModelMissing, match="elsewhere"):
        find_models_dir(tmp_path / "elsewhere", environ=environ)


def test_a_wrong_environment_is_an_error_not_a_reason_to_look_further(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=str(tmp_path)):
        find_models_dir(environ={"ROEH_MODELS": str(tmp_path)})


# Running


def test_writing_into_the_input_tensor_is_the_same_as_handing_a_picture(
    model: VerifiedModel,
) -> None:
    runner = open_runner(model)
    picture = np.random.default_rng(3).integers(0, 256, (416, 416, 3), np.uint8)
    handed = runner.run(picture)
    scores, distribution = handed.scores.copy(), handed.distribution.copy()
    runner.run(np.zeros_like(picture))
    runner.input_view()[:] = picture
    written = runner.invoke()
    np.testing.assert_array_equal(written.scores, scores)
    np.testing.assert_array_equal(written.distribution, distribution)
    assert scores.shape == (52 * 52 + 26 * 26 + 13 * 13, 80)
    assert distribution.shape == (len(scores), 44)


def test_outputs_are_read_where_the_runtime_left_them(model: VerifiedModel) -> None:
    runner = open_runner(model)
    one, other = runner.invoke(), runner.invoke()
    assert np.shares_memory(one.scores, other.scores)
    assert np.shares_memory(runner.input_view(), runner.input_view())


def test_an_output_may_outlive_its_runner(model: VerifiedModel) -> None:
    runner = open_runner(model)
    output = runner.run(np.full((416, 416, 3), 128, np.uint8))
    before = output.scores.copy()
    del runner
    gc.collect()
    others = [open_runner(model) for _ in range(3)]
    for other in others:
        other.run(np.zeros((416, 416, 3), np.uint8))
    np.testing.assert_array_equal(output.scores, before)


def test_a_listed_file_that_is_no_model_is_refused(models_dir: Path) -> None:
    listed = relisted(models_dir, b"not a model at all")
    with pytest.raises(ModelRefused, match=FILE):
        open_runner(listed)


def test_a_model_whose_input_is_not_as_listed_is_refused(models_dir: Path) -> None:
    other_size = (models_dir / "nanodet_g_coco_640x384_int8.tflite").read_bytes()
    with pytest.raises(ModelRefused, match="input"):
        open_runner(relisted(models_dir, other_size))


def test_the_environment_chooses_the_runtime() -> None:
    assert choose_runtime({"ROEH_TFLITE": "tflite-runtime"}) == "tflite-runtime"
    assert choose_runtime({}) == "ai-edge-litert"
    with pytest.raises(ConfigError, match="ROEH_TFLITE=onnx"):
        choose_runtime({"ROEH_TFLITE": "onnx"})


def test_a_runtime_that_is_not_installed_says_so(model: VerifiedModel) -> None:
    with pytest.raises(RuntimeMissing, match="install tflite-runtime"):
        open_runner(model, runtime="tflite-runtime")


def relisted(models_dir: Path, content: bytes) -> VerifiedModel:
    """These bytes as the 416 model of a manifest that lists them."""
    manifest = load_manifest(models_dir)
    sha256 = hashlib.sha256(content).hexdigest()
    old = next(entry for _, entry in manifest.entries() if entry.name == NAME).sha256
    changed = msgspec.json.encode(manifest).replace(old.encode(), sha256.encode())
    (models_dir / "manifest.json").write_bytes(changed)
    (models_dir / FILE).write_bytes(content)
    # A file is known by its hash: let no other entry claim it.
    network, entry = next(
        pair for pair in load_manifest(models_dir).entries() if pair[1].name == NAME
    )
    alone = msgspec.structs.replace(network, models=(entry,))
    return verify(
        models_dir / FILE, msgspec.structs.replace(load_manifest(models_dir), networks=(alone,))
    )
