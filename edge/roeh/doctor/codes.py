"""The table of codes: what a finding is called, for whoever tells it by telephone.

Codes are part of the product's interface: they are added, never changed. The page
edge/docs/doctor.md is this table.
"""

from __future__ import annotations

import enum


class Code(enum.Enum):
    """A finding that is not well: what it means, and what helps in general.

    A line of the doctor says more: which thing, and what to do about just that.
    """

    def __init__(self, means: str, remedy: str) -> None:
        self.means = means
        self.remedy = remedy

    @property
    def word(self) -> str:
        """As it is shown and spoken: `CAMERA-SILENT`."""
        return self.name.replace("_", "-")

    CHECK_STUCK = (
        "A check did not come to its end in time; what it looks at may hang.",
        "See what hangs (a disk, a device on a bus, a name server); run the doctor again.",
    )
    CHECK_BROKEN = (
        "A check met what nobody thought of.",
        "Send the line to whoever maintains Roeh; the other lines stand.",
    )

    CAMERA_SILENT = (
        "A sensor gives no picture.",
        "Board off: cable and connector at both ends; network camera: its power and address.",
    )
    CAMERA_TROUBLE = (
        "Capture itself says that a sensor troubles it.",
        "See to the camera that the line names.",
    )
    CAMERA_UNKNOWN = (
        "The node holds the cameras, and nothing recorded tells how they are.",
        "See why nothing is recorded; or stop the node and run the doctor again.",
    )
    CAMERA_SIZE = (
        "A sensor's pictures are of another shape than its lens is described for.",
        "Correct the lens's width_px and height_px, or set the camera to them.",
    )
    CAMERA_DARK = (
        "A picture is nearly black.",
        "At night: see to the lamps and the infrared filter; by day: take the cap off the lens.",
    )
    CAMERA_BRIGHT = (
        "A picture is nearly white.",
        "Take what shines into the lens away; see [sensors.light].",
    )
    MICROPHONE_SILENT = (
        "The microphone that is set up is not heard.",
        "See to its plug and to microphone.device (arecord -L); loud_noise rests meanwhile.",
    )
    OUTPUT_FAILED = (
        "A light, a siren or a message that is to deter does not work.",
        "See to the output that the line names: its line, its file, its sound card.",
    )
    CAMERA_COVERED = (
        "A picture is the same all over: something lies on the lens, or before it.",
        "Take it off, wipe the lens; in dense fog, look again later.",
    )
    CAMERA_BLURRED = (
        "A picture has hardly any fine detail: out of focus, wet, dirty or steamed up.",
        "Wipe the lens, dry the dome, focus; compare with the picture of the commissioning report.",
    )
    CAMERA_ADDRESS = (
        "A network camera's address is none.",
        "Correct the source's url.",
    )
    CAMERA_LOGIN = (
        "A network camera does not let this node in.",
        "Correct password_file; wait some minutes, for cameras lock accounts out.",
    )
    CAMERA_STREAM = (
        "A network camera has no stream of that name.",
        "Correct the path in the source's url.",
    )
    CAMERA_NOT_RTSP = (
        "What answers at a camera's address is no camera.",
        "Correct address and port in the source's url.",
    )
    CAMERA_STRANGE = (
        "A network camera answers with a status nobody expects.",
        "Look at the camera's own page.",
    )
    CAMERA_UDP = (
        "H.265 over UDP: lost packets smear pictures, and nobody notices.",
        'Set transport = "tcp".',
    )
    LENS_NOMINAL = (
        "A lens is described by its data sheet and was never measured.",
        "roeh calibrate lens; until then bearings and ranges may be off.",
    )
    NORTH_COMPASS = (
        "North is from a magnetic compass alone, beside steel off by several degrees.",
        "roeh calibrate pose with points on the ground.",
    )
    NORTH_UNKNOWN = (
        "Nothing says where north is from.",
        "roeh calibrate pose with points on the ground.",
    )
    TILT_LEANING = (
        "The housing does not hang upright: bearings and ranges are off.",
        "Straighten the mounting, or calibrate the pose as it hangs.",
    )
    TILT_SILENT = (
        "The accelerometer gives no or impossible figures.",
        "See to the sensor's cable; nobody would notice a pole that was hit.",
    )
    VIEW_GAP = (
        "There is ground round the pole that no sensor sees.",
        "Turn or tilt a sensor, or add one.",
    )
    VIEW_SAME = (
        "Two sensors claim to show the same ground.",
        "Give each the azimuth_deg and tilt_deg that it hangs at.",
    )
    RIG_REFUSED = (
        "No camera can have such a lens or pose.",
        "Correct the sensor's section.",
    )

    CLOCK_UNSET = (
        "The clock was never set.",
        "Let it reach a time server; see to the clock's battery.",
    )
    CLOCK_FREE = (
        "The clock runs free: times in alerts may be wrong, and say so.",
        "Open the way to a time server (UDP 123); wait some minutes.",
    )
    CLOCK_COARSE = (
        "The clock is synchronised, and still may be off by more than a picture.",
        "Use a nearer time server; see what delays the network.",
    )
    CLOCK_JUMPED = (
        "The clock was set by a jump while the node ran.",
        "See why: a battery that is empty, or a time server that is wrong.",
    )
    RTC_MISSING = (
        "No battery-backed clock: after a power cut without network the pole has no time.",
        "Fit one (Pi 4: a module; Pi 5: its battery), and its overlay.",
    )
    RTC_WRONG = (
        "The battery-backed clock tells another time than the system.",
        "Let chrony write it (rtcsync); if it comes back, replace the battery.",
    )
    RTC_BATTERY = (
        "The clock's battery is empty or missing.",
        "Replace it.",
    )

    DISK_READ_ONLY = (
        "The disk was made read-only, mostly by the kernel after an error.",
        "Note what the kernel's log says, restart; if it comes back, replace the disk.",
    )
    DISK_ERRORS = (
        "The disk or its file system counted errors.",
        "Plan its replacement; roeh evidence check tells what was hit.",
    )
    DISK_PLAIN = (
        "Evidence lies on a disk that is not encrypted: whoever takes it reads it.",
        "Set up the evidence partition with LUKS2 (storage role).",
    )
    DISK_MISSING = (
        "The evidence partition is not mounted: evidence would lie on the system's disk.",
        "Open and mount it; see that its key is there.",
    )
    DISK_SD = (
        "Evidence lies on an SD card.",
        "Use an SSD or an industrial eMMC.",
    )
    DISK_UNKNOWN = (
        "The kernel does not say what kind of disk that is.",
        "Make sure that it is an SSD or an eMMC with power-loss protection.",
    )
    DISK_WORN = (
        "The disk has used most of its life.",
        "Plan its replacement.",
    )
    DISK_WORN_OUT = (
        "The disk says that its life is over, or its reserve is used up.",
        "Replace it now.",
    )
    DISK_LIFE_UNKNOWN = (
        "How much the disk bears is not known.",
        "Give evidence.medium_endurance_tb: the TBW of its data sheet.",
    )
    DISK_LIFE_SHORT = (
        "At this rate of writing the disk does not last two years.",
        "Use one with more endurance, or fewer bits a second.",
    )
    DISK_SMALL = (
        "The disk is smaller than the ring is configured.",
        "Use a larger one, or lower evidence.max_bytes.",
    )
    DISK_SEGMENTS = (
        "The ring holds so few segments that it deletes what was only just recorded.",
        "Raise evidence.max_bytes, or lower evidence.segment_s or encode_bps.",
    )
    DISK_FULL = (
        "There is not even room for the outbox.",
        "Free some, or use a larger disk.",
    )
    DISK_TIGHT = (
        "There is little more room than a full outbox takes.",
        "Free some, or use a larger disk.",
    )
    DISK_REMOTE = (
        "The store lies on a network's file system.",
        "Set paths.data_dir to a local disk.",
    )
    DISK_VOLATILE = (
        "The store lies in memory: a power cut loses it.",
        "Set paths.data_dir to a disk.",
    )
    DISK_NO_JOURNAL = (
        "The store lies on a file system that a power cut can damage.",
        "Use one with a journal, such as ext4.",
    )
    DIR_UNWRITABLE = (
        "A directory of the node is missing or cannot be written.",
        "Make it, owned by the node's user, or correct the path.",
    )
    SOCKET_PATH = (
        "The path of a socket is longer than the kernel takes.",
        "Set paths.run_dir to a shorter one.",
    )
    USER_MISSING = (
        "A user named in [users] does not exist.",
        "Create it, or correct the name.",
    )

    RECORDING_OFF = (
        "No video is recorded.",
        "Set evidence.record to true.",
    )
    RECORDING_NONE = (
        "A sensor's video has not been recorded yet.",
        "Wait a minute; then see to the camera.",
    )
    RECORDING_ALARM = (
        "Evidence itself says that something is wrong.",
        "See edge/docs/evidence.md.",
    )
    MASK_OFF = (
        "Privacy masks are not in the recording.",
        "Set evidence.mask_recording to true.",
    )
    MASK_UNSURE = (
        "A camera that compresses by itself cannot be masked here.",
        "Let the camera black them out as well.",
    )

    BROKER_GONE = (
        "The broker cannot be reached or does not let this pole in; alerts wait on the pole.",
        "See the reason in the line: cable, route, name, certificate, firewall, broker.",
    )
    BROKER_PLAIN = (
        "Alerts go to the broker in the clear.",
        "Set [broker.tls].",
    )
    BROKER_TLS = (
        "A file of [broker.tls] cannot be used.",
        "Correct the path, or install the pole's keys again.",
    )
    DESK_KEYS = (
        "Whose word takes alerts out of the outbox is not known.",
        "Fetch the file that roeh desk keys writes.",
    )
    SECRET_UNREADABLE = (
        "A file with a password cannot be read.",
        "Correct the path or its owner.",
    )
    SECRET_OPEN = (
        "A file with a secret is open to every user.",
        "chmod o-rwx the file.",
    )
    PORT_TAKEN = (
        "Another program has the port of the pole's page.",
        "Stop it, or choose another port.",
    )
    PORT_REFUSED = (
        "The pole's page cannot listen there.",
        "Correct retrieve.host and retrieve.port.",
    )

    KEYS_NONE = (
        "The pole has no keys yet.",
        "Enrol it: enroll.yml, or roeh keys request.",
    )
    KEYS_UNPROVISIONED = (
        "UNPROVISIONED: the pole vouches for itself, which no court need believe.",
        "Enrol it: enroll.yml, or roeh keys request.",
    )
    KEYS_REFUSED = (
        "The pole's keys cannot be read, or are not safe.",
        "See edge/docs/keys.md; roeh keys show.",
    )
    CERT_ENDING = (
        "A certificate ends soon.",
        "rotate.yml, or roeh keys rotate.",
    )
    CERT_ENDED = (
        "A certificate has ended.",
        "rotate.yml, or roeh keys rotate, now.",
    )
    CERT_REVOKED = (
        "A certificate of this pole was revoked, says the trust list.",
        "Ask the key keeper why; the pole needs new keys.",
    )
    ACCESS_ROOT = (
        "The city's root cannot be read.",
        "Name it in [access] root_file.",
    )
    ACCESS_TLS = (
        "The pole has no certificate to show to people.",
        "roeh keys install again.",
    )
    TRUST_NONE = (
        "There is no trust list: nobody is let in.",
        "Give [access] trust_file, or send one.",
    )
    TRUST_REFUSED = (
        "The trust list is not believed.",
        "Have the key keeper sign a new one.",
    )
    TRUST_AGE = (
        "No clock tells how old the trust list is.",
        "Let the clock be synchronised.",
    )
    TRUST_STALE = (
        "The trust list is stale.",
        "Have the key keeper sign a new one.",
    )
    EXPORT_ROOM = (
        "There is less room for exports than is allowed.",
        "Lower [access] exports_max_bytes, or use a larger disk.",
    )

    POWER_LOW = (
        "The supply is below what the board needs, now.",
        "Measure at the board under load; thicker or shorter cable, stronger supply or PoE class.",
    )
    POWER_WAS_LOW = (
        "The supply was below what the board needs, at some time since it started.",
        "Measure under load; it mostly shows when a camera's lamps go on.",
    )
    HEAT_THROTTLED = (
        "The board is slowed down because it is hot.",
        "See to fan, heat sink and sun; detection is slower meanwhile.",
    )
    HEAT_WAS = (
        "The board was slowed down by heat at some time since it started.",
        "See to fan and heat sink before summer does.",
    )
    HEAT_NEAR = (
        "A part is within five degrees of where the board slows down or stops.",
        "See to fan, heat sink and sun.",
    )
    FAN_STUCK = (
        "The fan is told to turn and does not.",
        "Its cable, then the fan.",
    )
    CASE_OPEN = (
        "The housing is open.",
        "Close it; if nobody opened it, call the control room.",
    )

    UNIT_FAILED = (
        "A process of the node does not run.",
        "See the last words of its log in the line; a person has to mend it.",
    )
    UNIT_RESTARTED = (
        "A process of the node was started again and again.",
        "See the last words of its log in the line.",
    )
    UNIT_UNWATCHED = (
        "A process runs without systemd's watchdog: if it hangs, nobody notices.",
        "Install the units of the release again (site.yml).",
    )
    WATCHDOG_OFF = (
        "The hardware watchdog is not armed: a board that hangs stays so.",
        "Set RuntimeWatchdogSec and the board's overlay (site.yml).",
    )
    LINK_DOWN = (
        "No network cable carries a signal.",
        "Cable, connector, switch.",
    )
    LINK_SLOW = (
        "The link runs at 10 Mbit/s or half duplex: mostly a bad cable.",
        "Replace the cable or its connector.",
    )
    LINK_ERRORS = (
        "The network port counts damaged frames.",
        "Replace the cable or its connector; keep it from power lines.",
    )
    ROUTE_NONE = (
        "There is no way out of the local network.",
        "See to DHCP or the address that was given.",
    )
    DNS_SILENT = (
        "A name cannot be turned into an address.",
        "See to the name servers, or give the broker by address.",
    )
    FIREWALL_OFF = (
        "No firewall is loaded.",
        "systemctl restart nftables; site.yml installs it.",
    )
    RELEASE_TRIAL = (
        "A release is on trial and not confirmed yet.",
        "Wait for its health check; it returns by itself otherwise.",
    )
    RELEASE_RETURNED = (
        "The last release failed its trial, and the one before is back.",
        "Send the reason to whoever made the release.",
    )
    RELEASE_STRANGE = (
        "What runs is not the release that is in force.",
        "Restart the node's units; install the release again.",
    )
    ROOT_PRISTINE = (
        "The layer over the read-only system did not come up: what was set since is not in force.",
        "See the reason in the line; run site.yml again, or replace the disk.",
    )
    PYTHON_OLD = (
        "Python is too old.",
        "Use a supported system.",
    )
    PYTHON_PLATFORM = (
        "This machine or system is not supported.",
        "Use 64-bit Linux on x86_64 or aarch64.",
    )
    SQLITE_OLD = (
        "SQLite is too old for the store.",
        "Use a Python built with SQLite 3.37 or newer.",
    )
    LIBRARY_MISSING = (
        "A library that the node needs is missing or broken.",
        "Install the release again.",
    )
    LIBRARY_OPTIONAL = (
        "A library is missing that only some nodes need.",
        "Install the release with it, if this is a pole.",
    )
    MODEL_MISSING = (
        "The detection models are missing, or the one named is not known.",
        "Install the release again; see roeh models.",
    )
    MODEL_CHANGED = (
        "A model file is not what the manifest says.",
        "Restore it from the release it came with.",
    )
    MODEL_STRANGE = (
        "There are model files that nobody listed; they are never loaded.",
        "Remove them.",
    )
