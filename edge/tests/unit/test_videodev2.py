"""The kernel's numbers are the header's, as a compiler sees them here."""

from __future__ import annotations

import ctypes
import re
import subprocess

import pytest

from roeh.sources.v4l2 import videodev2 as v4l2
from roeh.sources.v4l2.formats import CODINGS
from tests.apt import require_packages

STRUCTURES = {
    "v4l2_capability": v4l2.Capability,
    "v4l2_fmtdesc": v4l2.FormatDescription,
    "v4l2_pix_format": v4l2.PixFormat,
    "v4l2_format": v4l2.Format,
    "v4l2_captureparm": v4l2.CaptureParm,
    "v4l2_streamparm": v4l2.StreamParm,
    "v4l2_requestbuffers": v4l2.RequestBuffers,
    "v4l2_buffer": v4l2.Buffer,
    "v4l2_control": v4l2.Control,
}
REQUESTS = "QUERYCAP ENUM_FMT S_FMT REQBUFS QUERYBUF QBUF DQBUF STREAMON STREAMOFF S_PARM S_CTRL"
NUMBERS = {
    **{f"VIDIOC_{name}": getattr(v4l2, name) for name in [*REQUESTS.split(), "TRY_FMT"]},
    **{
        f"V4L2_{name}": getattr(v4l2, name)
        for name in vars(v4l2)
        if re.match(r"(BUF_TYPE|MEMORY|FIELD|CAP|BUF_FLAG|CID)_", name)
    },
    "V4L2_CID_POWER_LINE_FREQUENCY_DISABLED": v4l2.POWER_LINE_DISABLED,
    "V4L2_CID_POWER_LINE_FREQUENCY_50HZ": v4l2.POWER_LINE_50_HZ,
    "V4L2_CID_POWER_LINE_FREQUENCY_60HZ": v4l2.POWER_LINE_60_HZ,
    "V4L2_PIX_FMT_MJPEG": v4l2.fourcc("MJPG"),
    "V4L2_PIX_FMT_YUV420": v4l2.fourcc("YU12"),
    "V4L2_PIX_FMT_RGB24": v4l2.fourcc("RGB3"),
    "V4L2_PIX_FMT_BGR24": v4l2.fourcc("BGR3"),
    **{
        f"V4L2_PIX_FMT_{code}": v4l2.fourcc(code)
        for code in (coding.fourcc for coding in CODINGS)
        if code in {"H264", "JPEG", "NV12", "YUYV", "UYVY", "GREY"}
    },
}


@pytest.mark.apt("gcc libc6-dev")
def test_structures_and_numbers_are_those_of_the_header(tmp_path):
    require_packages("gcc", "libc6-dev", "linux-libc-dev")
    lines = [f'printf("{name} %lu\\n", (unsigned long){name});' for name in NUMBERS]
    expected = dict(NUMBERS)
    for name, structure in STRUCTURES.items():
        lines.append(f'printf("{name} %zu\\n", sizeof(struct {name}));')
        expected[name] = ctypes.sizeof(structure)
        for field, _ in structure._fields_:
            lines.append(f'printf("{name}.{field} %zu\\n", offsetof(struct {name}, {field}));')
            expected[f"{name}.{field}"] = getattr(structure, field).offset
    source = tmp_path / "numbers.c"
    source.write_text(
        "#include <stddef.h>\n#include <stdio.h>\n#include <linux/videodev2.h>\n"
        f"int main(void) {{ {' '.join(lines)} return 0; }}\n"
    )
    program = tmp_path / "numbers"
    subprocess.run(["gcc", "-o", program, source], check=True)
    said = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    found = {name: int(number) for name, number in map(str.split, said.splitlines())}
    assert found == expected
