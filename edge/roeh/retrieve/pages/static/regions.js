// Drawing regions on a still: a rectangle fills a row of numbers, a row of numbers draws its
// rectangle. The numbers alone are sent.
const SVG = "http://www.w3.org/2000/svg";
const SIDES = ["x0", "y0", "x1", "y1"];
const body = document.querySelector(".regions-table tbody");

function fields(row) {
  const named = (name) => row.querySelector(`[name=region_${name}]`);
  return { camera: named("camera"), sides: SIDES.map(named) };
}

function emptyRow() {
  for (const row of body.rows) {
    if (fields(row).sides.every((side) => side.value === "")) return row;
  }
  const row = body.rows[0].cloneNode(true);
  for (const field of row.querySelectorAll("[aria-label]")) {
    // The number of the row stands isolated in its label.
    const words = field.getAttribute("aria-label");
    field.setAttribute("aria-label", words.replace("\u20681\u2069", body.rows.length + 1));
  }
  for (const side of fields(row).sides) side.value = "";
  body.append(row);
  return row;
}

function addRectangle(svg, [x0, y0, x1, y1]) {
  const rectangle = document.createElementNS(SVG, "rect");
  rectangle.setAttribute("x", Math.min(x0, x1));
  rectangle.setAttribute("y", Math.min(y0, y1));
  rectangle.setAttribute("width", Math.abs(x1 - x0));
  rectangle.setAttribute("height", Math.abs(y1 - y0));
  svg.append(rectangle);
}

function redraw() {
  for (const figure of document.querySelectorAll("figure.regions")) {
    const svg = figure.querySelector("svg");
    if (!svg) continue;
    svg.replaceChildren();
    for (const row of body.rows) {
      const { camera, sides } = fields(row);
      const numbers = sides.map((side) => Number(side.value));
      const isWhole = sides.every((side) => /^[0-9]+$/.test(side.value));
      if (camera.value === figure.dataset.camera && isWhole) addRectangle(svg, numbers);
    }
  }
}

function drawOn(figure) {
  // The recorded picture's size: what is shown may be smaller.
  const widthPx = Number(figure.dataset.widthPx);
  const heightPx = Number(figure.dataset.heightPx);
  const svg = figure.querySelector("svg");
  if (!svg) return;
  let begin = null;

  function pixel(event) {
    const edges = svg.getBoundingClientRect();
    const along = (at, from, length, pixels) =>
      Math.round(Math.min(1, Math.max(0, (at - from) / length)) * pixels);
    return [
      along(event.clientX, edges.left, edges.width, widthPx),
      along(event.clientY, edges.top, edges.height, heightPx),
    ];
  }

  svg.addEventListener("pointerdown", (event) => {
    begin = pixel(event);
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!begin) return;
    redraw();
    addRectangle(svg, [...begin, ...pixel(event)]);
  });
  svg.addEventListener("pointerup", (event) => {
    if (!begin) return;
    const [[x0, y0], [x1, y1]] = [begin, pixel(event)];
    begin = null;
    if (x0 !== x1 && y0 !== y1) {
      const { camera, sides } = fields(emptyRow());
      camera.value = figure.dataset.camera;
      const corners = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
      sides.forEach((side, index) => { side.value = corners[index]; });
    }
    redraw();
  });
  svg.addEventListener("pointercancel", () => { begin = null; redraw(); });
}

if (body) {
  document.querySelectorAll("figure.regions").forEach(drawOn);
  body.addEventListener("input", redraw);
  redraw();
  for (const words of document.querySelectorAll(".needs-script")) words.hidden = false;
}
