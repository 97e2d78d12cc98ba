/* Outlines of a label image.
 *
 * A loop follows the cracks between pixels with the cell on its right hand, so it is exact at every zoom: one array
 * x0, y0, x1, y1, ... of pixel corners, in image pixels, without the points on straight lines. Diagonal neighbours
 * are two parts. A cell with holes or in several parts has several loops. */

const STEP = [[1, 0], [0, 1], [-1, 0], [0, -1]]; // heading 0 to 3: east, south, west, north
const AHEAD_RIGHT = [[0, 0], [-1, 0], [-1, -1], [0, -1]]; // the pixels ahead of a corner, by heading
const AHEAD_LEFT = [[0, -1], [0, 0], [-1, 0], [-1, -1]];

function traceOutlines(labels, width, height, scale) {
  const cells = new Map();
  const seen = new Uint8Array(labels.length); // the upper edge of this pixel has been walked
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const label = labels[i];
      if (!label || seen[i] || (y && labels[i - width] === label)) continue;
      const loop = walk(labels, width, height, x, y, label, seen, scale);
      let cell = cells.get(label);
      if (!cell) cells.set(label, cell = { label, loops: [], box: [Infinity, Infinity, -Infinity, -Infinity], rough: new Map() });
      cell.loops.push(loop);
      enclose(cell.box, loop);
    }
  }
  return cells;
}

function walk(labels, width, height, startX, startY, label, seen, scale) {
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && labels[y * width + x] === label;
  const points = [];
  let x = startX, y = startY, heading = 0;
  do {
    if (heading === 0) seen[y * width + x] = 1;
    x += STEP[heading][0];
    y += STEP[heading][1];
    const turn = nextTurn(inside, x, y, heading);
    if (turn) {
      points.push(x * scale, y * scale);
      heading = (heading + turn + 4) & 3;
    }
  } while (x !== startX || y !== startY || heading !== 0);
  return Float32Array.from(points);
}

/* The two pixels ahead of a corner decide: 1 turn right, -1 turn left, 0 straight on. */
function nextTurn(inside, x, y, heading) {
  const right = AHEAD_RIGHT[heading], left = AHEAD_LEFT[heading];
  if (!inside(x + right[0], y + right[1])) return 1;
  return inside(x + left[0], y + left[1]) ? -1 : 0;
}

function enclose(box, loop) {
  for (let k = 0; k < loop.length; k += 2) {
    if (loop[k] < box[0]) box[0] = loop[k];
    if (loop[k] > box[2]) box[2] = loop[k];
    if (loop[k + 1] < box[1]) box[1] = loop[k + 1];
    if (loop[k + 1] > box[3]) box[3] = loop[k + 1];
  }
}

/* The loops of a cell without details smaller than `tolerance` image pixels: a picture seen from afar has thousands
 * of stairs that nobody sees and that take most of the drawing time. Kept for the last tolerances asked for. */
function loopsAt(cell, tolerance) {
  if (tolerance <= 0) return cell.loops;
  let loops = cell.rough.get(tolerance);
  if (!loops) {
    if (cell.rough.size > 2) cell.rough.clear();
    cell.rough.set(tolerance, loops = cell.loops.map((loop) => simplified(loop, tolerance)));
  }
  return loops;
}

/* Douglas and Peucker (1973) on a closed loop, cut at its first point and at the one farthest from it. */
function simplified(loop, tolerance) {
  const n = loop.length / 2;
  if (n < 8) return loop;
  const keep = new Uint8Array(n);
  let far = 0, best = -1;
  for (let k = 1; k < n; k++) {
    const d = (loop[2 * k] - loop[0]) ** 2 + (loop[2 * k + 1] - loop[1]) ** 2;
    if (d > best) { best = d; far = k; }
  }
  keep[0] = keep[far] = 1;
  const stack = [[0, far], [far, n]];
  while (stack.length) {
    const [from, to] = stack.pop();
    const middle = farthest(loop, n, from, to, tolerance);
    if (middle < 0) continue;
    keep[middle] = 1;
    stack.push([from, middle], [middle, to]);
  }
  const out = [];
  for (let k = 0; k < n; k++) if (keep[k]) out.push(loop[2 * k], loop[2 * k + 1]);
  return Float32Array.from(out);
}

function farthest(loop, n, from, to, tolerance) {
  const ax = loop[2 * from], ay = loop[2 * from + 1], b = to % n;
  const dx = loop[2 * b] - ax, dy = loop[2 * b + 1] - ay, length = Math.hypot(dx, dy) || 1;
  let index = -1, most = tolerance * length;
  for (let k = from + 1; k < to; k++) {
    const away = Math.abs((loop[2 * k] - ax) * dy - (loop[2 * k + 1] - ay) * dx);
    if (away > most) { most = away; index = k; }
  }
  return index;
}

/* The outline of one cell, looked for in a box of image pixels only; undefined where it has no pixel there. */
function retraced(labels, columns, label, box, r) {
  const [x0, y0, x1, y1] = box.map((side) => Math.round(side / r)), width = x1 - x0, height = y1 - y0;
  const part = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) if (labels[(y + y0) * columns + x + x0] === label) part[y * width + x] = label;
  }
  const cell = traceOutlines(part, width, height, r).get(label);
  if (!cell) return undefined;
  for (const loop of [...cell.loops, cell.box]) for (let k = 0; k < loop.length; k += 2) { loop[k] += x0 * r; loop[k + 1] += y0 * r; }
  return cell;
}

/* Labels and outlines after a change (runs of labels in a place x, y, width, height of the label image); those before stay as they are. */
function changedCells(before, { place: [x0, y0, width, height], runs }, r) {
  const highest = runs.reduce((most, label, k) => (k % 2 ? most : Math.max(most, label)), 0);
  const labels = highest > 0xffff ? Uint32Array.from(before.labels) : before.labels.slice();
  const { columns } = before, outlines = new Map(before.outlines), touched = new Set();
  let at = 0;
  for (let k = 0; k < runs.length; k += 2) {
    for (let n = runs[k + 1]; n > 0; n--, at++) {
      const i = (y0 + Math.floor(at / width)) * columns + x0 + (at % width);
      if (labels[i] === runs[k]) continue;
      touched.add(labels[i]).add(runs[k]);
      labels[i] = runs[k];
    }
  }
  touched.delete(0);
  const here = [x0 * r, y0 * r, (x0 + width) * r, (y0 + height) * r];
  for (const label of touched) {
    const known = outlines.get(label), cell = retraced(labels, columns, label, known ? joined([known.box, here]) : here, r);
    if (cell) outlines.set(label, cell);
    else outlines.delete(label);
  }
  return { labels, columns, outlines };
}
