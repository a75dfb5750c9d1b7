"""A-weighted sound level with the time weighting F, from samples.

IEC 61672-1:2013. The A weighting is that of its annex E: in the s plane four zeros at 0, double
poles at f1 and f4, single ones at f2 and f3, unity at 1 kHz. The filter is that, taken to the
z plane by the bilinear transform, which presses the highest octaves below half the sampling rate:
at 48 kHz it is 0.6 dB low at 8 kHz, 2.6 at 12.5 and 6.5 at 16, where class 1 allows for 2.5, 5
and 16, and nowhere off by 0.1 below 4 kHz. The time weighting is an exponential mean of the square
with 125 ms.

Levels are relative to a sine at full scale (AES17), which is 0 dB.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import signal  # type: ignore[import-untyped]  # scipy ships no types

Samples = npt.NDArray[np.float32]

#: Of IEC 61672-1, annex E.
_F1_HZ, _F2_HZ, _F3_HZ, _F4_HZ = 20.598997, 107.65265, 737.86223, 12194.217
_REFERENCE_HZ = 1000.0
_FAST_S = 0.125
#: The mean square of a sine at full scale.
_FULL_SCALE = 0.5
#: No microphone hears less: what is below is told as this.
FLOOR_DB = -120.0


class LevelMeter:
    """Follows the level of a stream of samples; of them it keeps the filters' few numbers.

    Args:
        rate_hz: samples a second.
    """

    def __init__(self, rate_hz: int) -> None:
        self._weighting = a_weighting(rate_hz)
        self._memory = np.zeros((len(self._weighting), 2))
        share = 1 - math.exp(-1 / (_FAST_S * rate_hz))
        self._mean = np.asarray([share]), np.asarray([1.0, share - 1.0])
        self._mean_memory = np.zeros(1)

    def loudest_db(self, samples: Samples) -> float:
        """The highest level that these samples, the next of the stream, reach.

        Args:
            samples: (n,), full scale is 1; n at least 1.
        """
        weighted, self._memory = signal.sosfilt(self._weighting, samples, zi=self._memory)
        squares, self._mean_memory = signal.lfilter(
            *self._mean, np.square(weighted), zi=self._mean_memory
        )
        power = float(np.max(squares)) / _FULL_SCALE
        return max(FLOOR_DB, 10 * math.log10(power)) if power > 0 else FLOOR_DB


def a_weighting(rate_hz: int) -> npt.NDArray[np.float64]:
    """The A weighting as biquads (3, 6): b0, b1, b2, 1, a1, a2."""
    poles = -2 * math.pi * np.asarray([_F1_HZ, _F1_HZ, _F2_HZ, _F3_HZ, _F4_HZ, _F4_HZ])
    digital = signal.bilinear_zpk(np.zeros(4), poles, 1.0, rate_hz)
    biquads = np.asarray(signal.zpk2sos(*digital), np.float64)
    _, response = signal.sosfreqz(biquads, [_REFERENCE_HZ], fs=rate_hz)
    biquads[0, :3] /= abs(response[0])
    return biquads
