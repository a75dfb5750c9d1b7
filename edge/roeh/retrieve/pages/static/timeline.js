// Choosing a span on the drawing: the fields are filled, nothing else. Without this script the
// fields are written by hand.
const drawing = document.querySelector(".drawing");

function localText(tUtcUs, zoneOffsetUs) {
  return new Date((tUtcUs + zoneOffsetUs) / 1000).toISOString().slice(0, 19);
}

// The pole's offset from UTC, as the fields and the drawing tell it: the browser's own zone
// is of no use here.
function offsetUs(fromField, fromUtcUs) {
  const local = Date.parse(fromField.defaultValue + "Z") * 1000;
  return Number.isNaN(local) ? 0 : local - Math.floor(fromUtcUs / 1e6) * 1e6;
}

if (drawing) {
  const fromUtcUs = Number(drawing.dataset.fromUtcUs);
  const toUtcUs = Number(drawing.dataset.toUtcUs);
  const fromField = document.getElementById(drawing.dataset.fromField);
  const toField = document.getElementById(drawing.dataset.toField);
  const chosen = drawing.querySelector(".chosen");
  const box = chosen.querySelector("rect");
  const said = document.querySelector(".chosen-span");
  const offset = offsetUs(fromField, fromUtcUs);
  let beginUs = null;
  let endUs = null;

  function timeAt(event) {
    const edges = drawing.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - edges.left) / edges.width));
    return Math.round((fromUtcUs + share * (toUtcUs - fromUtcUs)) / 1e6) * 1e6;
  }

  function show() {
    const [first, last] = beginUs <= endUs ? [beginUs, endUs] : [endUs, beginUs];
    const percent = (us) => (100 * (us - fromUtcUs)) / (toUtcUs - fromUtcUs);
    box.setAttribute("x", `${percent(first)}%`);
    box.setAttribute("width", `${Math.max(0.4, percent(last) - percent(first))}%`);
    chosen.removeAttribute("hidden");
    const [from, to] = [localText(first, offset), localText(last, offset)];
    fromField.value = from;
    toField.value = to;
    for (const follower of document.querySelectorAll("[data-follows]")) {
      const us = follower.dataset.follows === "from" ? first : last;
      follower.value = `${localText(us, 0)}Z`;
    }
    said.textContent = said.dataset.words
      .replace("%from%", `\u2066${from.replace("T", " ")}\u2069`)
      .replace("%to%", `\u2066${to.replace("T", " ")}\u2069`);
  }

  drawing.addEventListener("pointerdown", (event) => {
    const lane = event.target.closest(".lane");
    if (!lane || event.button !== 0) return;
    const at = timeAt(event);
    // A second tap ends the span that the first began; a third begins another.
    if (beginUs === null || endUs !== beginUs) beginUs = at;
    endUs = at;
    for (const tick of document.querySelectorAll("input[name=camera]")) {
      if (tick.value === lane.dataset.camera) tick.checked = true;
    }
    drawing.setPointerCapture(event.pointerId);
    show();
  });
  drawing.addEventListener("pointermove", (event) => {
    if (!drawing.hasPointerCapture(event.pointerId)) return;
    endUs = timeAt(event);
    show();
  });
  drawing.classList.add("can-choose");
  for (const words of document.querySelectorAll(".needs-script")) words.hidden = false;
}
