"""The ground floor: types, time, identity, errors, configuration, hand-over between processes."""
