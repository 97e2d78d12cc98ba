/* What a correction will look like, shown in the picture until the label image of the app comes.
 *
 * Labels and outlines of the field are replaced, not changed in place: the store still holds those of the app. */

function foresee(editor, { action, labels, points }) {
  const { field } = editor;
  if (action in DRAWN) editor.ghosts.push({ points, closed: DRAWN[action] });
  const cells = labels.map((label) => field.outlines.get(label)).filter(Boolean);
  if ((action === 'remove' || action === 'merge') && cells.length === labels.length) {
    const keep = action === 'merge' ? Math.min(...labels) : 0;
    field.labels = field.labels.slice();
    field.outlines = new Map(field.outlines);
    for (const cell of cells) {
      relabel(field, cell, keep);
      field.outlines.delete(cell.label);
    }
    if (keep) field.outlines.set(keep, retraced(field, keep, joined(cells.map((cell) => cell.box))));
    if (labels.includes(field.hover)) field.point(0);
    field.stamp++;
  }
}

function relabel(field, { label, box }, to) {
  const { columns, spec: { reduction: r } } = field, [x0, y0, x1, y1] = box.map((side) => Math.round(side / r));
  for (let y = y0; y < y1; y++) {
    for (let i = y * columns + x0; i < y * columns + x1; i++) if (field.labels[i] === label) field.labels[i] = to;
  }
}

function joined(boxes) {
  return boxes.reduce((a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])]);
}

/* The outline of one cell, looked for in its box only. */
function retraced(field, label, box) {
  const { columns, spec: { reduction: r } } = field, [x0, y0, x1, y1] = box.map((side) => Math.round(side / r));
  const width = x1 - x0, height = y1 - y0, part = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) if (field.labels[(y + y0) * columns + x + x0] === label) part[y * width + x] = label;
  }
  const cell = traceOutlines(part, width, height, r).get(label);
  for (const loop of cell.loops) for (let k = 0; k < loop.length; k += 2) { loop[k] += box[0]; loop[k + 1] += box[1]; }
  cell.box = box;
  return cell;
}
