/* One field of view: a canvas with the picture, one with the outlines above it, and what the pointer does there.
 *
 * Three systems of coordinates: image pixels (of the original file), device pixels of the canvas, CSS pixels of the
 * page. A view is {scale, x, y}: device pixels an image pixel, and where the image's corner lies on the canvas. */

const MOST_ZOOM = 40; // CSS pixels an image pixel
const CLICK_SLACK = 4; // CSS pixels a click may wander
const DOUBLE_MS = 350;

function element(tag, className, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

class Field {
  constructor(viewer, spec) {
    this.viewer = viewer;
    this.base = element('canvas', 'base', { 'aria-hidden': 'true' });
    this.over = element('canvas', 'over', { 'aria-hidden': 'true' });
    this.tip = element('div', 'tip', { role: 'tooltip' });
    this.scaleBar = element('div', 'scale-bar');
    this.message = element('div', 'message', { role: 'status' });
    this.stage = element('div', 'stage', { tabindex: '0', role: 'application', 'aria-roledescription': 'picture of cells' },
      this.base, this.over, this.scaleBar, this.tip, this.message);
    this.caption = element('figcaption');
    this.figure = element('figure', '', {}, this.caption, this.stage);
    this.pointers = new Map();
    this.view = null;
    this.hover = 0;
    this.lastClick = { at: -1e9 };
    this.listen();
    this.update(spec);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
    this.load();
  }

  /* New colours, texts or title for the same pixels. */
  update(spec) {
    this.spec = spec;
    this.classes = new Map(spec.labels.map((label, k) => [label, spec.classes[k]]));
    this.texts = new Map(spec.labels.map((label, k) => [label, spec.texts[k]]));
    this.caption.textContent = spec.title;
    this.stage.style.aspectRatio = `${spec.width} / ${spec.height}`;
    this.stage.dataset.field = spec.id;
    this.describe();
    this.paint();
  }

  describe() {
    const cells = this.outlines ? ` ${this.outlines.size} cells outlined.` : '';
    this.stage.setAttribute('aria-label', `${this.spec.title}.${cells} Arrow keys move, plus and minus zoom, 0 fits, O hides outlines, N and P step through the cells.`);
  }

  async load() {
    this.say('Loading …');
    try {
      const source = this.viewer.store.get(this.spec);
      this.bitmap = await source.bitmap;
      if (this.gone) return;
      this.stage.dataset.state = 'image';
      this.say(this.spec.labelImage ? 'Loading outlines …' : '');
      this.resize();
      const cells = await source.cells;
      if (this.gone) return;
      Object.assign(this, cells);
      this.say('');
      this.describe();
      this.stage.dataset.state = 'ready';
      this.viewer.toolbar.refresh();
      this.paint();
    } catch (problem) {
      if (this.gone) return;
      this.stage.dataset.state = 'failed';
      this.say(`${this.bitmap ? 'The outlines' : 'The picture'} cannot be shown: ${problem.message}`, true);
    }
  }

  say(text, failed = false) {
    this.message.textContent = text;
    this.message.classList.toggle('failed', failed);
  }

  // ---- geometry

  get ratio() { return this.base.width / (this.stage.clientWidth || 1) || 1; }

  fitted() {
    const { width, height } = this.spec, scale = Math.min(this.base.width / width, this.base.height / height);
    return { scale, x: (this.base.width - width * scale) / 2, y: (this.base.height - height * scale) / 2 };
  }

  get atFit() { return !this.view || this.view.scale <= this.fitted().scale * 1.001; }

  fit() {
    this.view = this.fitted();
    this.moved();
  }

  resize() {
    const dpr = window.devicePixelRatio || 1;
    const width = Math.round(this.stage.clientWidth * dpr), height = Math.round(this.stage.clientHeight * dpr);
    if (!width || !height) return;
    const fitted = this.atFit, centre = this.view && this.toImage(this.base.width / 2, this.base.height / 2), before = this.ratio;
    if (this.base.width !== width || this.base.height !== height) {
      for (const canvas of [this.base, this.over]) { canvas.width = width; canvas.height = height; }
    }
    if (this.wanted) {
      this.view = this.wanted;
      this.wanted = null;
      return this.moved();
    }
    if (fitted) return this.fit();
    this.view.scale *= this.ratio / before || 1;
    this.view.x = width / 2 - centre[0] * this.view.scale;
    this.view.y = height / 2 - centre[1] * this.view.scale;
    this.moved();
  }

  toImage(x, y) { return [(x - this.view.x) / this.view.scale, (y - this.view.y) / this.view.scale]; }

  /* Device pixels of an event. */
  at(event) {
    const box = this.stage.getBoundingClientRect();
    return [(event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio];
  }

  zoom(factor, x = this.base.width / 2, y = this.base.height / 2) {
    const least = this.fitted().scale, most = Math.max(MOST_ZOOM * this.ratio, least);
    const scale = Math.min(most, Math.max(least, this.view.scale * factor)), [ix, iy] = this.toImage(x, y);
    this.view = { scale, x: x - ix * scale, y: y - iy * scale };
    this.moved();
  }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.moved();
  }

  /* Keep the image in sight: centred where it is smaller than the canvas, without a gap at the edge where it is larger. */
  moved() {
    const { width, height } = this.spec, v = this.view;
    const held = (at, size, room) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at)));
    v.x = held(v.x, width * v.scale, this.base.width);
    v.y = held(v.y, height * v.scale, this.base.height);
    this.stage.style.touchAction = this.atFit ? 'pan-y' : 'none';
    this.viewer.views.set(this.spec.key, { ...v, fit: this.atFit });
    this.viewer.toolbar.refresh();
    this.paint();
  }

  labelAt(x, y) {
    if (!this.labels || x < 0 || y < 0 || x >= this.spec.width || y >= this.spec.height) return 0;
    const r = this.spec.reduction;
    return this.labels[Math.floor(y / r) * this.columns + Math.floor(x / r)] || 0;
  }

  // ---- painting

  paint() {
    if (this.frame || this.gone) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; if (this.bitmap && this.view) this.paintNow(); });
  }

  paintNow() {
    const { scale, x, y } = this.view, r = this.spec.reduction, base = this.base.getContext('2d');
    base.setTransform(1, 0, 0, 1, 0, 0);
    base.clearRect(0, 0, this.base.width, this.base.height);
    base.setTransform(scale * r, 0, 0, scale * r, x, y);
    base.imageSmoothingEnabled = scale * r < 2 * this.ratio; // crisp pixels once they can be seen
    base.imageSmoothingQuality = 'medium';
    base.drawImage(this.bitmap, 0, 0);
    this.base.style.filter = this.viewer.light.filter;
    this.paintOutlines();
    this.showScale();
    this.stage.dataset.painted = String(1 + Number(this.stage.dataset.painted || 0));
  }

  classOf(label) {
    const found = this.classes.get(label);
    return found === undefined || found < 0 ? this.viewer.data.legend.length - 1 : found;
  }

  paintOutlines() {
    const pen = this.over.getContext('2d');
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.over.width, this.over.height);
    pen.lineJoin = 'round';
    if (this.outlines && this.viewer.outlined) this.paintCells(pen);
    if (this.viewer.data.ruler > 0) this.paintRuler(pen);
  }

  paintCells(pen) {
    const groups = this.viewer.data.legend.map(() => []), chosen = this.viewer.selectedIn(this.spec.id);
    for (const cell of this.outlines.values()) if (this.inSight(cell.box)) groups[this.classOf(cell.label)].push(cell);
    const thin = (this.view.scale < this.ratio ? 1.25 : 1.75) * this.ratio;
    groups.forEach((cells, index) => {
      if (this.viewer.hidden.has(index)) return;
      this.stroke(pen, cells, this.viewer.data.legend[index][1], thin);
    });
    const hovered = this.outlines.get(this.hover), selected = this.outlines.get(chosen);
    if (hovered) this.fill(pen, hovered);
    if (selected) {
      this.stroke(pen, [selected], '#ffffff', 6 * this.ratio);
      this.stroke(pen, [selected], this.viewer.data.legend[this.classOf(chosen)][1], 3.5 * this.ratio);
    }
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
    pen.globalAlpha = 0.28;
    pen.fillStyle = this.viewer.data.legend[this.classOf(cell.label)][1];
    pen.fill('evenodd');
    pen.globalAlpha = 1;
  }

  /* A bar of a round length in micrometres, at most about 120 CSS pixels. */
  showScale() {
    const um = this.spec.um;
    this.scaleBar.hidden = !um;
    if (!um) return;
    const most = (120 * this.ratio * um) / this.view.scale, ten = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((n) => n * ten).find((n) => n <= most);
    this.scaleBar.style.width = `${(length / um) * this.view.scale / this.ratio}px`;
    this.scaleBar.textContent = length >= 1000 ? `${length / 1000} mm` : `${Number(length.toPrecision(1))} µm`;
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

  // ---- pointer and keys

  listen() {
    const stage = this.stage;
    stage.addEventListener('pointerdown', (event) => this.down(event));
    stage.addEventListener('pointermove', (event) => this.move(event));
    stage.addEventListener('pointerup', (event) => this.up(event));
    stage.addEventListener('pointercancel', (event) => this.release(event));
    stage.addEventListener('pointerleave', () => this.point(0));
    stage.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    stage.addEventListener('keydown', (event) => this.key(event));
  }

  down(event) {
    if (event.button || !this.view) return;
    this.stage.setPointerCapture(event.pointerId);
    const [x, y] = this.at(event);
    this.pointers.set(event.pointerId, { x, y });
    const ruler = this.pointers.size === 1 && this.onRuler(x, y);
    this.drag = { x, y, far: this.pointers.size > 1, ruler };
  }

  move(event) {
    if (!this.view) return;
    const [x, y] = this.at(event), held = this.pointers.get(event.pointerId);
    if (!held) return this.look(event, x, y);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
    if (others.length) this.pinch(held, { x, y }, others[0]);
    else this.pull(held, x, y);
    this.pointers.set(event.pointerId, { x, y });
  }

  pull(held, x, y) {
    const drag = this.drag;
    if (Math.hypot(x - drag.x, y - drag.y) > CLICK_SLACK * this.ratio) drag.far = true;
    if (!drag.far) return;
    this.point(0);
    if (drag.ruler) {
      this.rulerCentre;
      this.ruler = [this.ruler[0] + (x - held.x) / this.view.scale, this.ruler[1] + (y - held.y) / this.view.scale];
      this.paint();
    } else {
      this.stage.classList.add('panning');
      this.pan(x - held.x, y - held.y);
    }
  }

  pinch(before, now, other) {
    const gap = (p) => Math.hypot(p.x - other.x, p.y - other.y) || 1;
    this.zoom(gap(now) / gap(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
    this.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
  }

  up(event) {
    const drag = this.drag, alone = this.pointers.size === 1;
    this.release(event);
    if (!drag || drag.far || drag.ruler || !alone) return;
    const [x, y] = this.at(event);
    const double = event.timeStamp - this.lastClick.at < DOUBLE_MS && Math.hypot(x - this.lastClick.x, y - this.lastClick.y) < 8 * this.ratio;
    this.lastClick = double ? { at: -1e9 } : { at: event.timeStamp, x, y };
    if (double) this.fit(); // the first of the two clicks has been told already
    else this.click(...this.toImage(x, y).map(Math.floor));
  }

  release(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    this.stage.classList.remove('panning');
    if (!this.pointers.size) this.drag = null;
    else this.drag.far = true; // lifting the second finger of a pinch is no click
  }

  click(x, y) {
    if (x < 0 || y < 0 || x >= this.spec.width || y >= this.spec.height) return;
    this.viewer.choose(this.spec.id, this.labelAt(x, y), x, y);
  }

  wheel(event) {
    if (!this.view) return;
    const factor = Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : event.ctrlKey ? 0.01 : 0.0018));
    if (factor <= 1 && this.atFit && !event.ctrlKey) return; // nothing to zoom out of: the page scrolls
    event.preventDefault();
    this.zoom(factor, ...this.at(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.view) return;
    const far = 80 * this.ratio, name = event.key.toLowerCase();
    const act = {
      arrowleft: () => this.pan(far, 0), arrowright: () => this.pan(-far, 0), arrowup: () => this.pan(0, far), arrowdown: () => this.pan(0, -far),
      '+': () => this.zoom(1.3), '=': () => this.zoom(1.3), '-': () => this.zoom(1 / 1.3), 0: () => this.fit(),
      o: () => this.viewer.toggleOutlines(), n: () => this.step(1), p: () => this.step(-1),
    }[name];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /* Choose the next cell and bring it into sight. */
  step(by) {
    if (!this.outlines || !this.outlines.size) return;
    const all = [...this.outlines.keys()].sort((a, b) => a - b), now = all.indexOf(this.viewer.selectedIn(this.spec.id));
    const label = all[now < 0 ? (by > 0 ? 0 : all.length - 1) : (now + by + all.length) % all.length];
    const cell = this.outlines.get(label), v = this.view, [x0, y0, x1, y1] = cell.box;
    const [cx, cy] = [((x0 + x1) / 2) * v.scale + v.x, ((y0 + y1) / 2) * v.scale + v.y];
    if (cx < 0 || cy < 0 || cx > this.base.width || cy > this.base.height) this.pan(this.base.width / 2 - cx, this.base.height / 2 - cy);
    this.viewer.choose(this.spec.id, label, ...this.pixelOf(cell));
  }

  /* A pixel of the cell: its centre may lie outside a crescent. */
  pixelOf(cell) {
    const [x0, y0, x1, y1] = cell.box, r = this.spec.reduction, y = Math.floor((y0 + y1) / 2);
    for (let x = x0; x < x1; x += r) if (this.labelAt(x, y) === cell.label) return [Math.floor(x), y];
    return [Math.floor(cell.loops[0][0]), Math.floor(cell.loops[0][1])];
  }

  look(event, x, y) {
    this.stage.classList.toggle('on-ruler', this.onRuler(x, y));
    this.point(this.labelAt(...this.toImage(x, y)), event);
  }

  /* The cell under the pointer is filled and named. */
  point(label, event) {
    const shown = this.viewer.outlined && label && !this.viewer.hidden.has(this.classOf(label)) ? label : 0;
    if (shown !== this.hover) {
      this.hover = shown;
      this.stage.classList.toggle('on-cell', Boolean(shown));
      if (shown) this.tip.replaceChildren(...this.words(shown));
      this.paint();
    }
    this.tip.hidden = !shown;
    if (shown) this.placeTip(event);
  }

  words(label) {
    const [name, colour] = this.viewer.data.legend[this.classOf(label)], text = this.texts.get(label);
    const swatch = element('i', 'swatch');
    swatch.style.background = colour;
    const parts = [element('b', '', {}, `Cell ${label}`)];
    if (this.classes.size) parts.push(element('span', '', {}, swatch, name));
    if (text) parts.push(element('span', 'quiet', {}, text));
    return parts;
  }

  placeTip(event) {
    const box = this.stage.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const left = x + 16 + this.tip.offsetWidth > box.width ? x - 12 - this.tip.offsetWidth : x + 16;
    const top = y + 16 + this.tip.offsetHeight > box.height ? y - 12 - this.tip.offsetHeight : y + 16;
    this.tip.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, top)}px)`;
  }

  destroy() {
    this.gone = true;
    cancelAnimationFrame(this.frame);
    this.observer.disconnect();
    this.base.width = this.base.height = this.over.width = this.over.height = 0; // frees the pixels at once
    this.bitmap = this.labels = this.outlines = null;
    this.figure.remove();
  }
}
