"""Memory stays flat however long the span is."""

from tests.built_exports import approved, bundle_path, with_access
from tests.gops import GOP_US, GopSource
from tests.process.children import start
from tests.process.dying_builders import build_and_measure
from tests.retrieval_node import retrieval_node

#: About 1.2 MB each, so that what is kept of any shows.
GOPS = 60
MIB = 1 << 20


def test_five_times_the_video_takes_no_more_memory(tmp_path):
    with retrieval_node(tmp_path) as node:
        node.believe()
        node.north = GopSource(
            boot_id=node.north.boot_id,
            mono_us=node.north.mono_us,
            utc_us=node.north.utc_us,
            width_px=1280,
            height_px=720,
            noise=25,
        )
        node.record(GOPS)
        # The first one also loads what is loaded on first use.
        sizes, peaks = zip(*(measured(node, tmp_path, gops) for gops in (4, 12, GOPS)), strict=True)
    assert sizes[2] > 4 * sizes[1] > 80 * MIB
    assert peaks[2] - peaks[1] < 4 * MIB


def measured(node, directory, gops):
    """(size of the bundle, most memory that building it took)."""
    row = approved(node, 1, to_utc_us=node.begin_us + gops * GOP_US)
    result = directory / f"peak-{gops}"
    process = start(build_and_measure, with_access(node.evidence.config), row.id, result)
    process.join(60)
    assert process.exitcode == 0
    return bundle_path(node, row.id).stat().st_size, int(result.read_text()) * 1024
