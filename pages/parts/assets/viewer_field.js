/* One field of view: its data, and what pointer and keys do on it. */

const CLICK_SLACK = 4; // CSS pixels a click may wander
const DOUBLE_MS = 350;

class Field extends Painting {
  constructor(viewer, spec) {
    super(viewer, spec);
    this.pointers = new Map();
    this.lastClick = { at: -1e9 };
    this.listen();
    this.update(spec);
    this.load();
  }

  /* New colours, texts or title for the same pixels. */
  update(spec) {
    this.spec = spec;
    this.classes = new Map(spec.labels.map((label, k) => [label, spec.classes[k]]));
    this.texts = new Map(spec.labels.map((label, k) => [label, spec.texts[k]]));
    this.caption.textContent = spec.title;
    this.caption.hidden = !spec.title;
    this.stage.style.aspectRatio = `${spec.width} / ${spec.height}`;
    this.stage.dataset.field = spec.id;
    this.stamp++;
    this.describe();
    if (this.stage.dataset.state === 'failed') this.load(); // perhaps it works by now
    else if (this.viewer.editor && this.outlines) this.follow();
    this.paint();
  }

  /* Cells of each class; counted once a change. */
  counts(classes) {
    if (this.counted?.stamp === this.stamp && this.counted.outlines === this.outlines && this.counted.counts.length === classes) return this.counted.counts;
    const counts = new Array(classes).fill(0);
    for (const label of this.outlines.keys()) counts[this.classOf(label)]++;
    this.counted = { stamp: this.stamp, outlines: this.outlines, counts };
    return counts;
  }

  describe() {
    const cells = this.outlines ? ` ${this.outlines.size} cells outlined.` : '';
    this.stage.setAttribute('aria-label', `Field ${this.spec.title || this.spec.id}.${cells} Arrow keys move, plus and minus zoom, 0 fits, O hides outlines, N and P step through the cells.`);
  }

  async load() {
    this.stage.dataset.state = 'loading';
    this.say('Loading …');
    try {
      const source = { ...this.viewer.store.get(this.spec) }; // what fails is forgotten there
      this.bitmap = await source.bitmap;
      if (this.gone) return;
      this.stage.dataset.state = 'image';
      this.say(this.spec.labelImage ? 'Loading outlines …' : '');
      this.resize();
      const cells = await source.cells;
      if (this.gone) return;
      Object.assign(this, cells);
      this.stamp++;
      this.say('');
      this.describe();
      this.stage.dataset.state = 'ready';
      if (this.viewer.editor) this.follow(); // a newer one may have been named meanwhile
      this.viewer.toolbar.refresh();
      this.paint();
    } catch (problem) {
      if (this.gone) return;
      this.stage.dataset.state = 'failed';
      this.say(`${this.bitmap ? 'The outlines' : 'The picture'} cannot be shown: ${problem.message}`, true);
    }
  }

  /* Another version of the label image under the same picture: the one before is shown until it is here. */
  async follow() {
    const { spec } = this;
    try {
      const cells = await this.viewer.store.get(spec).cells;
      if (this.gone || this.spec.labelVersion !== spec.labelVersion) return;
      Object.assign(this, cells);
      this.stamp++;
      this.say('');
      this.viewer.editor.arrived();
      this.describe();
      this.viewer.repaint();
      this.stage.dataset.version = spec.labelVersion;
    } catch (problem) {
      if (!this.gone) this.say(`The corrected outlines cannot be shown: ${problem.message}`, true);
    }
  }

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
    const middle = event.button === 1 && this.viewer.editor; // moves the picture where the first button draws
    if ((event.button && !middle) || !this.view) return;
    this.stage.setPointerCapture(event.pointerId);
    const [x, y] = this.at(event);
    this.pointers.set(event.pointerId, { x, y });
    const ruler = this.pointers.size === 1 && this.onRuler(x, y);
    this.drag = { x, y, far: this.pointers.size > 1, ruler };
    if (!middle) this.viewer.editor?.begin(this.drag, ...this.toImage(x, y));
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
    if (drag.path) this.viewer.editor.extend(...this.toImage(x, y));
    else if (drag.ruler) {
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
    if (drag?.path && drag.far && alone) this.viewer.editor.finish();
    if (!drag || drag.far || drag.ruler || !alone || event.button) return;
    const [x, y] = this.at(event);
    const double = !this.viewer.editor && event.timeStamp - this.lastClick.at < DOUBLE_MS && Math.hypot(x - this.lastClick.x, y - this.lastClick.y) < 8 * this.ratio;
    this.lastClick = double ? { at: -1e9 } : { at: event.timeStamp, x, y };
    if (double) this.fit(); // the first of the two clicks has been told already
    else this.click(...this.toImage(x, y).map(Math.floor), event);
  }

  release(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    this.stage.classList.remove('panning');
    if (!this.pointers.size) this.drag = null;
    else this.drag.far = true; // lifting the second finger of a pinch is no click
  }

  click(x, y, event) {
    if (x < 0 || y < 0 || x >= this.spec.width || y >= this.spec.height) return;
    if (this.viewer.editor) return void this.viewer.editor.click(this.labelAt(x, y), event);
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
    if (this.viewer.editor?.key(event)) return;
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
    const [name, colour] = this.viewer.data.legend[this.classOf(label)], text = this.viewer.tuner?.text(this, label) ?? this.texts.get(label);
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
    this.bitmap = this.labels = this.outlines = null;
    super.destroy();
  }
}
