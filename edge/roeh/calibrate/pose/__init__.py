"""How a camera hangs and where north is: from ground points, people, or a compass."""
