"""What lies in a stretch of UTC is found without looking at the whole ring, and nothing missed."""

import random

from roeh.ledger.utc_spans import Stretch, UtcSpan, recorded_spans, spans_within
from tests.rings import Ring

S = 1_000_000


def test_what_the_database_leaves_out_lies_outside(memory_directory):
    ring = Ring(memory_directory)
    dice = random.Random(4)
    for _ in range(20):
        ring.segment(seconds=dice.randint(1, 9))
        ring.clock.advance(dice.randint(0, 5))
        ring.clock.step_utc(dice.randint(-20, 20))
    ring.segment(closed=False)
    with ring.database.writing() as connection:
        for row in range(1, 22):
            error_us = dice.randint(0, 3 * S)
            connection.execute("UPDATE segment SET utc_error_us = ? WHERE row = ?", (error_us, row))
        every = [
            Stretch(*row)
            for row in connection.execute(
                "SELECT camera_id, boot_id, t_first_mono_us, t_end_mono_us, t_utc_us,"
                " utc_error_us, state = 'open' FROM segment"
            )
        ]
        begins = [each.t_utc_us for each in every]
        for _ in range(300):
            from_us = dice.randint(min(begins) - 20 * S, max(begins) + 30 * S)
            wanted = UtcSpan(from_us, from_us + dice.randint(1, 30 * S))
            assert recorded_spans(connection, wanted) == spans_within(wanted, every)
    ring.close()
