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
    if (keep) field.outlines.set(keep, retraced(field.labels, field.columns, keep, joined(cells.map((cell) => cell.box)), field.spec.reduction));
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
