"""The words of a commissioning report: one table, filled once for each language.

What stands in braces is filled in by page.py. The doctor's own sentences stay English in every
language: they are what is read out by telephone, with their code.
"""

from __future__ import annotations

from typing import Final

import msgspec

from roeh.bundle.report.page import Language


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """One language's words."""

    title: str
    subtitle: str
    footer: str
    good: str
    remarks: str
    bad: str
    finding_good: str
    finding_remarks: str
    finding_bad: str
    pole: str
    site_node: str
    place: str
    address: str
    technician: str
    time: str
    time_error: str
    time_free: str
    release: str
    release_unsigned: str
    configuration: str
    models: str
    board: str
    serial: str
    system: str
    unknown: str
    none: str
    around: str
    around_caption: str
    compass: str
    heading: str
    heading_from: str
    from_unknown: str
    from_compass: str
    from_ground_points: str
    landmarks: str
    landmark: str
    bearing: str
    agrees: str
    landmark_note: str
    no_landmarks: str
    sensors: str
    sensor_caption: str
    sensor: str
    pose: str
    pose_value: str
    lens: str
    masks: str
    faces_note: str
    coverage: str
    coverage_caption: str
    range: str
    seen: str
    gaps: str
    rules: str
    rule: str
    kind: str
    where: str
    priority: str
    when: str
    always: str
    zones: str
    findings: str
    findings_ok: str
    code: str
    what: str
    remedy: str
    certificates: str
    usage: str
    fingerprint: str
    until: str
    unprovisioned: str
    no_keys: str
    signing: str
    signing_note: str
    signing_unrecorded: str
    for_technician: str
    for_control_room: str
    name: str
    date: str
    signature: str


EN: Final = Words(
    title="Commissioning report",
    subtitle="Pole {pole}, as {technician} left it on {time}",
    footer="Roeh {version}  ·  {pole}  ·  {time}",
    good="IN ORDER",
    remarks="IN ORDER, WITH REMARKS",
    bad="NOT IN ORDER",
    finding_good="Every check of the doctor is well.",
    finding_remarks="The pole works; something is lost meanwhile: {codes}.",
    finding_bad="The pole is not to be left like this: {codes}.",
    pole="The pole",
    site_node="Site and name",
    place="Position (WGS 84)",
    address="Address",
    technician="Technician",
    time="Time (UTC)",
    time_error="{time}, at most {error} off",
    time_free="{time}, clock NOT synchronised",
    release="Release",
    release_unsigned="{version}, not installed as a signed release",
    configuration="Configuration, SHA-256",
    models="Detection model",
    board="Board",
    serial="Serial of the board",
    system="Kernel and firmware",
    unknown="not known",
    none="none",
    around="All round the pole",
    around_caption="North in the middle; rings of metres on the ground; red: landmarks, where"
    " the pole believes that they are.",
    compass="Compass check",
    heading="Heading of the forward mark",
    heading_from="North was found by",
    from_unknown="nobody says how",
    from_compass="a magnetic compass alone",
    from_ground_points="points measured on the ground",
    landmarks="Landmarks",
    landmark="Landmark",
    bearing="True bearing",
    agrees="Line goes through it (yes / no)",
    landmark_note="In each picture the red line stands at the bearing that was typed. It has to"
    " go through the landmark; if not, the heading is wrong by the angle between.",
    no_landmarks="No landmark was given (--landmark NAME BEARING): the heading was not checked"
    " by eye.",
    sensors="What each sensor sees",
    sensor_caption="{name}: {pose}; privacy masks black",
    sensor="Sensor",
    pose="Hangs",
    pose_value="azimuth {azimuth}, {tilt} below the horizon, {height} m high",
    lens="Lens",
    masks="Privacy masks",
    faces_note="People that the detector finds are made unrecognisable in all pictures.",
    coverage="Ground that is seen",
    coverage_caption="A standing person of 1.7 m, from foot to head. Light green: one sensor;"
    " dark green: several; red: nobody. The black stroke is the forward mark.",
    range="Range",
    seen="Seen by somebody",
    gaps="Nobody sees bearing",
    rules="Rules and zones",
    rule="Rule",
    kind="Kind",
    where="Where",
    priority="Priority",
    when="When",
    always="always",
    zones="Zones and lines: {names}",
    findings="Findings of the doctor",
    findings_ok="{count} checks are well: {names}.",
    code="Code",
    what="What",
    remedy="Remedy",
    certificates="Keys and certificates",
    usage="For",
    fingerprint="Certificate, SHA-256",
    until="Valid until",
    unprovisioned="UNPROVISIONED",
    no_keys="The pole has no keys yet.",
    signing="Signatures",
    signing_note="The hash of this file goes into the pole's ledger; {record} beside it says at"
    " which place, with the pole's signed checkpoint that covers it. What the technician signed"
    " with a key lies in {signature}.",
    signing_unrecorded="No evidence answered: {record} beside this file has its hash, and no"
    " place in the pole's ledger.",
    for_technician="Technician",
    for_control_room="Control room",
    name="Name",
    date="Date",
    signature="Signature",
)

HE: Final = Words(
    title="דוח הכנסה לשירות",
    subtitle="עמוד {pole}, כפי שהשאיר אותו {technician} ב־{time}",
    footer="Roeh {version}  ·  {pole}  ·  {time}",
    good="תקין",
    remarks="תקין, עם הערות",
    bad="לא תקין",
    finding_good="כל בדיקות הרופא תקינות.",
    finding_remarks="העמוד פועל, אך משהו חסר בינתיים: {codes}.",
    finding_bad="אין להשאיר את העמוד כך: {codes}.",
    pole="העמוד",
    site_node="אתר ושם",
    place="מיקום (WGS 84)",
    address="כתובת",
    technician="טכנאי",
    time="זמן (UTC)",
    time_error="{time}, סטייה של {error} לכל היותר",
    time_free="{time}, השעון אינו מסונכרן",
    release="גרסה",
    release_unsigned="{version}, לא הותקנה כגרסה חתומה",
    configuration="תצורה, SHA-256",
    models="מודל זיהוי",
    board="לוח",
    serial="מספר סידורי של הלוח",
    system="ליבה וקושחה",
    unknown="לא ידוע",
    none="אין",
    around="סביב העמוד",
    around_caption="הצפון באמצע; טבעות מטרים על הקרקע; באדום: נקודות ציון, היכן שהעמוד סבור שהן.",
    compass="בדיקת כיוון",
    heading="כיוון הסימן הקדמי",
    heading_from="הצפון נמצא לפי",
    from_unknown="לא נאמר כיצד",
    from_compass="מצפן מגנטי בלבד",
    from_ground_points="נקודות שנמדדו על הקרקע",
    landmarks="נקודות ציון",
    landmark="נקודת ציון",
    bearing="כיוון אמיתי",
    agrees="הקו עובר דרכה (כן / לא)",
    landmark_note="בכל תמונה הקו האדום עומד בכיוון שהוקלד. עליו לעבור דרך נקודת הציון; אם לא,"
    " הכיוון שגוי בזווית שביניהם.",
    no_landmarks="לא נמסרה נקודת ציון: הכיוון לא נבדק בעין.",
    sensors="מה רואה כל חיישן",
    sensor_caption="{name}: {pose}; מסכות פרטיות בשחור",
    sensor="חיישן",
    pose="תלוי",
    pose_value="אזימוט {azimuth}, {tilt} מתחת לאופק, גובה {height} מטר",
    lens="עדשה",
    masks="מסכות פרטיות",
    faces_note="אנשים שהגלאי מצא טושטשו בכל התמונות.",
    coverage="הקרקע הנראית",
    coverage_caption="אדם עומד בגובה 1.7 מטר, מכף רגל עד ראש. ירוק בהיר: חיישן אחד; ירוק כהה:"
    " כמה חיישנים; אדום: איש אינו רואה. הקו השחור הוא הסימן הקדמי.",
    range="טווח",
    seen="נראה",
    gaps="איש אינו רואה בכיוון",
    rules="כללים ואזורים",
    rule="כלל",
    kind="סוג",
    where="היכן",
    priority="עדיפות",
    when="מתי",
    always="תמיד",
    zones="אזורים וקווים: {names}",
    findings="ממצאי הרופא",
    findings_ok="{count} בדיקות תקינות: {names}.",
    code="קוד",
    what="מה נמצא",
    remedy="מה לעשות",
    certificates="מפתחות ותעודות",
    usage="עבור",
    fingerprint="תעודה, SHA-256",
    until="בתוקף עד",
    unprovisioned="ללא תעודה מהעיר",
    no_keys="לעמוד אין עדיין מפתחות.",
    signing="חתימות",
    signing_note="הגיבוב של קובץ זה רשום ביומן העמוד; {record} שלצדו אומר באיזה מקום ותחת איזו"
    " נקודת ביקורת חתומה. חתימת הטכנאי במפתח, אם ניתנה, נמצאת ב־{signature}.",
    signing_unrecorded="תהליך הראיות לא ענה: הגיבוב רשום ב־{record} שלצד הקובץ, ואין לו מקום"
    " ביומן העמוד.",
    for_technician="טכנאי",
    for_control_room="חדר בקרה",
    name="שם",
    date="תאריך",
    signature="חתימה",
)

WORDS: Final = {Language.EN: EN, Language.HE: HE}
