/* What is drawn on a frame: picture, outlines, the chosen cell, scale bar, ruler. */

const MOST_CASED = 400; // cells in sight that get a dark casing under their outline: it costs as much as the outline
const MANY_POINTS = 10000; // of outlines: more are not drawn at every step of a gesture
const REST_MS = 120; // without movement, until they are drawn again

class Painting extends Frame {
  constructor(viewer, spec) {
    super(viewer, spec);
    this.still = document.createElement('canvas'); // never in the page: the outlines of all cells, see placeStill
    this.stamp = 0; // counts what makes the outlines other ones
    this.hover = 0;
  }

  paint() {
    if (this.waiting || this.gone) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paintInFrame(); });
  }

  /* Paint in the frame that is being made; what is out of sight waits until it is looked at. */
  paintInFrame() {
    cancelAnimationFrame(this.waiting);
    this.waiting = 0;
    if (this.gone || !this.bitmap || !this.view) return;
    this.late = this.away;
    if (!this.late) this.paintNow();
  }

  paintNow() {
    this.paintBase();
    this.paintOutlines();
    this.showScale();
    this.stage.dataset.painted = String(1 + Number(this.stage.dataset.painted || 0));
  }

  /* The picture; left as it is where only the outlines have changed. */
  paintBase() {
    const bitmap = this.viewer.tuner?.picture(this) || this.bitmap, { width, height } = this.base, { scale, x, y } = this.view;
    const { filter } = this.viewer.light, shown = [bitmap, width, height, scale, x, y, filter, this.resizedAt];
    if (this.shown?.every((one, k) => one === shown[k])) return;
    this.shown = shown;
    const r = this.spec.reduction, base = this.base.getContext('2d');
    base.setTransform(1, 0, 0, 1, 0, 0);
    base.clearRect(0, 0, this.base.width, this.base.height);
    base.setTransform(scale * r, 0, 0, scale * r, x, y);
    base.imageSmoothingEnabled = scale * r < 2 * this.ratio; // crisp pixels once they can be seen
    base.imageSmoothingQuality = 'medium';
    base.drawImage(bitmap, 0, 0);
    this.base.style.filter = filter;
  }

  classOf(label) {
    const found = this.classes.get(label);
    return found === undefined || found < 0 ? this.viewer.data.legend.length - 1 : found;
  }

  paintOutlines() {
    const pen = this.over.getContext('2d'), { viewer } = this;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.over.width, this.over.height);
    pen.lineJoin = 'round';
    viewer.tuner?.under(pen, this);
    if (this.outlines && viewer.outlined) {
      this.placeStill(pen);
      viewer.tuner?.over(pen, this);
      const hovered = this.outlines.get(this.hover), selected = this.outlines.get(viewer.selectedIn(this.spec.id));
      if (hovered) this.fill(pen, hovered);
      if (selected) {
        this.stroke(pen, [selected], '#ffffff', 5.5 * this.ratio);
        this.stroke(pen, [selected], viewer.data.legend[this.classOf(selected.label)][1], 2.5 * this.ratio);
      }
    }
    viewer.editor?.paint(pen, this);
    if (viewer.data.marks) this.paintMarks(pen);
    if (viewer.data.ruler > 0) this.paintRuler(pen);
  }

  /* The outlines of all cells lie on a canvas of their own, so that pointing at a cell does not draw a thousand others.
   * Where they take long to draw, the last drawing is moved and stretched during a gesture and made anew after it. */
  placeStill(pen) {
    const stamp = `${this.stamp} ${this.viewer.stamp} ${this.over.width} ${this.over.height}`, { scale, x, y } = this.view;
    const fresh = () => this.drawn && this.drawn.stamp === stamp && this.drawn.scale === scale && this.drawn.x === x && this.drawn.y === y;
    const waits = this.drawn && this.drawn.stamp === stamp && this.drawn.points > MANY_POINTS && performance.now() - this.movedAt < REST_MS;
    if (waits) {
      clearTimeout(this.rest);
      this.rest = setTimeout(() => this.paint(), REST_MS);
    } else if (!fresh()) this.drawStill(stamp);
    const d = this.drawn, k = scale / d.scale;
    pen.setTransform(k, 0, 0, k, x - k * d.x, y - k * d.y);
    pen.drawImage(this.still, 0, 0);
    pen.setTransform(1, 0, 0, 1, 0, 0);
  }

  drawStill(stamp) {
    const pen = this.still.getContext('2d');
    if (this.viewer.tuner) this.colourStill(pen);
    else {
      this.still.width = this.over.width; // clears it too
      this.still.height = this.over.height;
      pen.lineJoin = 'round';
      this.points = 0;
      this.paintCells(pen);
    }
    this.drawn = { ...this.view, stamp, points: this.points };
  }

  /* The same outlines from pixels that are kept, so that cells with a new class cost little. */
  colourStill(pen) {
    const { width, height } = this.over, { legend } = this.viewer.data, view = [width, height, ...Object.values(this.view)].join(' ');
    if (!this.pixels || this.pixelsOf !== this.outlines || this.pixelsIn !== view) {
      this.still.width = width;
      this.still.height = height;
      const tolerance = this.tolerance(), thin = this.thin, cells = [...this.outlines.values()].filter((cell) => this.inSight(cell.box));
      const loops = cells.map((cell) => ({ label: cell.label, loops: loopsAt(cell, tolerance) }));
      this.pixels = new OutlinePixels(loops, this.view, width, height, thin, cells.length <= MOST_CASED ? thin + 1.5 * this.ratio : 0);
      this.pixelsOf = this.outlines;
      this.pixelsIn = view;
    }
    this.points = this.pixels.points;
    this.pixels.colour(pen, (label) => this.classOf(label), legend.map(([, colour]) => partsOf(colour)), this.viewer.hidden);
  }

  get thin() { return (this.view.scale < this.ratio ? 1.5 : 2) * this.ratio; }

  paintCells(pen) {
    const { legend } = this.viewer.data, groups = legend.map(() => []);
    for (const cell of this.outlines.values()) {
      const index = this.classOf(cell.label);
      if (!this.viewer.hidden.has(index) && this.inSight(cell.box)) groups[index].push(cell);
    }
    const { thin } = this, all = groups.flat();
    if (all.length <= MOST_CASED) this.stroke(pen, all, 'rgba(0,0,0,.45)', thin + 1.5 * this.ratio);
    // The last class, "not scored", lies below: where two cells touch, a call wins over none.
    for (const index of [legend.length - 1, ...legend.keys()].slice(0, legend.length)) this.stroke(pen, groups[index], legend[index][1], thin);
  }

  inSight([x0, y0, x1, y1]) {
    const { scale, x, y } = this.view;
    return x1 * scale + x >= 0 && y1 * scale + y >= 0 && x0 * scale + x <= this.over.width && y0 * scale + y <= this.over.height;
  }

  trace(pen, cells) {
    const { scale, x, y } = this.view, tolerance = this.tolerance();
    pen.beginPath();
    for (const cell of cells) {
      for (const loop of loopsAt(cell, tolerance)) {
        pen.moveTo(loop[0] * scale + x, loop[1] * scale + y);
        for (let k = 2; k < loop.length; k += 2) pen.lineTo(loop[k] * scale + x, loop[k + 1] * scale + y);
        pen.closePath();
        this.points += loop.length / 2;
      }
    }
  }

  /* Leave out what is smaller than about half a CSS pixel; in powers of two, so that a zoom reuses the same outlines. */
  tolerance() {
    const wanted = (0.5 * this.ratio) / this.view.scale, r = this.spec.reduction;
    return wanted < 0.2 * r ? 0 : Math.max(0.75 * r, 2 ** Math.floor(Math.log2(wanted)));
  }

  stroke(pen, cells, colour, width) {
    this.trace(pen, cells);
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke();
  }

  fill(pen, cell) {
    this.trace(pen, [cell]);
    this.fillTraced(pen, this.viewer.data.legend[this.classOf(cell.label)][1]);
  }

  fillTraced(pen, colour) {
    pen.globalAlpha = 0.28;
    pen.fillStyle = colour;
    pen.fill('evenodd');
    pen.globalAlpha = 1;
  }

  /* A bar of a round length in micrometres, at most about 120 CSS pixels. */
  showScale() {
    const um = this.spec.um, measured = [um, this.view.scale, this.ratio].join(' ');
    if (measured === this.measured) return;
    this.measured = measured;
    this.scaleBar.hidden = !um;
    if (!um) return;
    const most = (120 * this.ratio * um) / this.view.scale, ten = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((n) => n * ten).find((n) => n <= most);
    this.scaleBar.style.width = `${(length / um) * this.view.scale / this.ratio}px`;
    this.scaleBar.textContent = length >= 1000 ? `${length / 1000} mm` : `${Number(length.toPrecision(1))} µm`;
  }

  /* Rings round marked places, as large on the screen at every zoom, with their words beside. */
  paintMarks(pen) {
    const u = this.ratio, { scale, x, y } = this.view;
    pen.font = `700 ${13 * u}px system-ui, sans-serif`;
    pen.textAlign = 'left';
    pen.textBaseline = 'middle';
    for (const mark of this.viewer.data.marks.filter((one) => one.fov_id === this.spec.id)) {
      const [cx, cy] = [(mark.x + 0.5) * scale + x, (mark.y + 0.5) * scale + y], radius = 7 * u;
      for (const [colour, width] of [['rgba(0,0,0,.75)', 5 * u], [mark.colour, 2.5 * u]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = width;
        pen.beginPath();
        pen.arc(cx, cy, radius, 0, 2 * Math.PI);
        pen.stroke();
      }
      pen.lineWidth = 4 * u;
      pen.strokeStyle = 'rgba(0,0,0,.75)';
      pen.fillStyle = '#ffffff';
      pen.strokeText(mark.words, cx + radius + 4 * u, cy);
      pen.fillText(mark.words, cx + radius + 4 * u, cy);
    }
    pen.textBaseline = 'alphabetic';
  }

  // ---- the ruler: a circle as wide as the expected cell

  get rulerCentre() {
    if (!this.ruler) this.ruler = [this.spec.width / 2, this.spec.height / 2];
    return [this.ruler[0] * this.view.scale + this.view.x, this.ruler[1] * this.view.scale + this.view.y];
  }

  paintRuler(pen) {
    const [x, y] = this.rulerCentre, d = this.viewer.data.ruler, radius = (d / 2) * this.view.scale, u = this.ratio;
    for (const [colour, width] of [['rgba(0,0,0,.7)', 4.5 * u], ['#ffffff', 2 * u]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.moveTo(x - 5 * u, y);
      pen.lineTo(x + 5 * u, y);
      pen.moveTo(x, y - 5 * u);
      pen.lineTo(x, y + 5 * u);
      pen.stroke();
    }
    const um = this.spec.um ? ` · ${(d * this.spec.um).toFixed(1)} µm` : '';
    const text = `Ø ${Number(d.toFixed(1))} px${um}`;
    pen.font = `600 ${13 * u}px system-ui, sans-serif`;
    pen.textAlign = 'center';
    pen.lineWidth = 4 * u;
    pen.strokeStyle = 'rgba(0,0,0,.75)';
    pen.fillStyle = '#ffffff';
    const below = Math.min(y + radius + 18 * u, this.over.height - 6 * u);
    pen.strokeText(text, x, below);
    pen.fillText(text, x, below);
  }

  /* On the ring or on the cross in its middle; the cells inside stay clickable. */
  onRuler(x, y) {
    if (!(this.viewer.data.ruler > 0) || !this.view) return false;
    const [cx, cy] = this.rulerCentre, away = Math.hypot(x - cx, y - cy), radius = (this.viewer.data.ruler / 2) * this.view.scale;
    return Math.abs(away - radius) < 9 * this.ratio || away < 12 * this.ratio;
  }

  destroy() {
    cancelAnimationFrame(this.waiting);
    clearTimeout(this.rest);
    this.pixels = null;
    this.still.width = this.still.height = 0;
    super.destroy();
  }
}
