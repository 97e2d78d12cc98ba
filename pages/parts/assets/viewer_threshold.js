/* Tuning a threshold over many fields: every cell is called again in the browser whenever a slider moves.
 *
 * The app sends the stain of the cells once a field. It is told of a new setting when a slider comes to rest, to propose
 * thresholds for it and to keep it in the address; nothing on screen waits for that. */

const AT_ONCE = 4; // fields fetched at the same time
const LAYERS = { phase: 'Phase', stain: 'Stain', colour: 'Colour', signal: 'Signal' };

class Tuner {
  constructor(viewer, data) {
    this.viewer = viewer;
    this.data = data;
    this.stained = new Map(); // field -> StainedField
    this.failed = new Map(); // field -> what went wrong
    this.asked = '';
    this.layer = 'phase';
    this.masked = false;
    this.before = null; // the setting that was remembered, with the classes it gave
    this.told = 0;
    this.pictures = new StainPictures(this);
    this.state = { threshold: data.start.threshold, part: data.start.part, lines: { ...data.start.lines }, line: '' };
    this.panel = new TuningPanel(this);
  }

  /* New data of the app. */
  show(data) {
    const before = this.data;
    this.data = data;
    this.axis = new Axis(data.axis);
    this.lines = [...new Set(data.fields.map((one) => one.sample))];
    this.described = new Map(data.fields.map((one) => [one.id, one]));
    if (data.id !== this.id) { // another spot size: the same cells, another signal
      this.id = data.id;
      this.stained.clear();
      this.failed.clear();
      this.fetchAll();
    } else if (before.leastCovered !== data.leastCovered) this.fetchAll();
    this.viewer.grid.style.setProperty('--wanted', data.least);
    this.pictures.trim(data.onScreen);
    this.panel.show();
    this.move();
  }

  thresholdOf(sample) { return this.state.lines[sample] ?? this.state.threshold; }

  get perLine() { return Object.keys(this.state.lines).length > 0; }

  /* The threshold that the slider moves: that of all lines, or of the chosen one. */
  get current() { return this.state.line ? this.thresholdOf(this.state.line) : this.state.threshold; }

  set(threshold) {
    if (!Number.isFinite(threshold)) return;
    if (this.state.line) this.state.lines[this.state.line] = threshold;
    else this.state.threshold = threshold;
    this.moveSoon();
  }

  setPart(part) {
    this.state.part = Math.min(100, Math.max(0, Math.round(part) || 0));
    this.moveSoon();
  }

  /* A slider may tell of several places within one frame: the last one is shown. */
  moveSoon() {
    this.movedAt ??= performance.now();
    this.soon ||= requestAnimationFrame(() => this.move(true));
  }

  /* One threshold a line, or one for all again. */
  splitLines(split) {
    this.state.lines = split ? Object.fromEntries(this.lines.map((line) => [line, this.state.threshold])) : {};
    this.state.line = split ? this.lines[0] : '';
    this.move();
    this.tell();
  }

  /* Call every cell anew and show it; `inFrame`: in the frame that is being made. */
  move(inFrame = false) {
    const started = this.movedAt ?? performance.now(), shown = new Map(this.viewer.fields.map((field) => [field.spec.id, field]));
    cancelAnimationFrame(this.soon);
    this.soon = 0;
    this.movedAt = undefined;
    const changed = [];
    for (const one of this.stained.values()) {
      const moved = one.classify(this.thresholdOf(one.spec.sample), this.state.part), field = shown.get(one.spec.id);
      if (field && this.dress(field, one, moved)) changed.push(field);
    }
    for (const field of changed) if (inFrame) field.paintInFrame(); else field.paint();
    for (const field of this.viewer.fields) this.caption(field);
    this.viewer.toolbar.refreshLegend();
    this.panel.follow();
    this.measure(started, inFrame);
  }

  /* Give a field the classes of its cells; true where it has to be painted. */
  dress(field, one, moved) {
    const { classes } = field, changed = moved || classes.size !== one.n, flips = this.flipsOf(one);
    if (changed) {
      for (let k = 0; k < one.n; k++) classes.set(one.labels[k], one.classes[k]);
      field.stamp++;
    }
    const again = changed || this.masked || flips.length || field.flips?.length;
    field.flips = flips;
    return again;
  }

  /* What a move took until its frame was drawn: read by tests, and by whoever wonders. */
  measure(started, inFrame) {
    const done = () => {
      this.viewer.node.dataset.moveMs = (performance.now() - started).toFixed(1);
      this.viewer.node.dataset.moves = String(1 + Number(this.viewer.node.dataset.moves || 0));
    };
    requestAnimationFrame(inFrame ? done : () => requestAnimationFrame(done));
  }

  caption(field) {
    const one = this.stained.get(field.spec.id), about = this.described.get(field.spec.id), problem = this.failed.get(field.spec.id);
    if (problem) field.say(`The stain of the cells cannot be read: ${problem}`, true);
    const words = one ? percentWords(one.positive, one.known) : '…', counted = one ? `${one.positive} of ${one.known} cells stained` : '';
    if (field.numbers?.parentNode === field.caption && field.numbers.described === about) {
      setText(field.numbers, words);
      if (field.numbers.title !== counted) field.numbers.title = counted;
      return;
    }
    const numbers = field.numbers = element('b', '', { title: counted }, words);
    numbers.described = about;
    field.caption.classList.add('counted');
    const name = element('span', '', { title: `${field.spec.title} · ${about?.sample ?? ''} · ${about?.role ?? ''}` }, field.spec.title);
    field.caption.replaceChildren(...(about?.control ? [element('i', 'badge', {}, 'control')] : []), name, numbers);
  }

  // ---- what comes from the app

  async fetchAll() {
    const run = this.asked = `${this.id} ${Math.random()}`, first = new Set(this.viewer.fields.map((field) => field.spec.id));
    const queue = [...this.data.fields].sort((a, b) => first.has(b.id) - first.has(a.id));
    const work = async () => {
      for (let spec = queue.shift(); spec && this.asked === run; spec = queue.shift()) await this.fetchOne(spec, run);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (this.asked === run) this.viewer.node.dataset.stain = 'ready';
  }

  async fetchOne(spec, run) {
    try {
      const buffer = await (await this.viewer.store.fetched(spec.critical)).arrayBuffer();
      if (this.asked !== run) return;
      this.stained.set(spec.id, new StainedField(spec, buffer, this.data.leastCovered));
      this.failed.delete(spec.id);
    } catch (problem) {
      if (this.asked !== run) return;
      this.failed.set(spec.id, problem.message);
    }
    this.panel.arrived();
    this.moveSoon();
  }

  // ---- before and after

  remember() {
    this.move();
    const classes = new Map([...this.stained].map(([id, one]) => [id, new Map(Array.from(one.labels, (label, k) => [label, one.classes[k]]))]));
    this.before = { ...structuredClone(this.state), classes, spot: this.data.spotWords };
    this.move();
  }

  forget() {
    this.before = null;
    this.move();
  }

  /* Back to what was remembered, and remember what is left. */
  swap() {
    const { threshold, part, lines, line } = this.before;
    this.remember();
    this.state = { threshold, part, lines, line };
    this.move();
    this.tell();
  }

  /* Cells of a field that have another class than before: [label, now]. */
  flipsOf(one) {
    const old = this.before?.classes.get(one.spec.id), out = [];
    if (!old) return out;
    for (let k = 0; k < one.n; k++) {
      const was = old.get(one.labels[k]), now = one.classes[k];
      if (was !== undefined && was !== now && was !== NO_CLASS && now !== NO_CLASS) out.push([one.labels[k], now]);
    }
    return out;
  }

  // ---- pictures

  choose(layer) {
    this.layer = layer;
    this.viewer.repaint();
    this.panel.follow();
  }

  toggleMask() {
    this.masked = !this.masked;
    this.viewer.repaint();
    this.panel.follow();
  }

  picture(field) { return this.pictures.picture(field, this.layer); }

  under(pen, field) {
    const about = this.described.get(field.spec.id);
    if (this.masked && about) this.pictures.mask(pen, field, codeOf(this.thresholdOf(about.sample), about));
  }

  over(pen, field) {
    if (!field.flips?.length || !this.viewer.outlined) return;
    const { legend } = this.viewer.data;
    for (const now of [0, 1]) {
      const cells = field.flips.filter(([, is]) => is === now).map(([label]) => field.outlines.get(label)).filter(Boolean);
      if (!cells.length) continue;
      field.trace(pen, cells); // once for all: hundreds may flip at every move
      const wide = cells.reduce((sum, { box: [x0, , x1] }) => sum + x1 - x0, 0) / cells.length * field.view.scale;
      const rim = Math.min(6 * field.ratio, wide / 4); // thinner where cells are small on the screen, or it covers their neighbours
      for (const [colour, width] of [['#ffffff', rim], [legend[now][1], rim / 2]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = width;
        pen.stroke();
      }
      field.fillTraced(pen, legend[now][1]);
    }
  }

  text(field, label) {
    const one = this.stained.get(field.spec.id);
    return one ? one.words(label, this.thresholdOf(one.spec.sample), this.state.part, shortNumber) : '';
  }

  // ---- to the app

  message() {
    const { threshold, part, lines } = this.state;
    return { threshold, part, lines, allowed: this.panel.allowed, marker: this.panel.markerName, at: (this.told = Math.max(Date.now(), this.told + 1)) };
  }

  tell(more = {}) { this.viewer.tell('tuned', { ...this.message(), ...more }); }

  save() { this.viewer.tell('saved', this.message()); }

  destroy() {
    this.asked = '';
    cancelAnimationFrame(this.soon);
    this.pictures.trim([]);
    this.panel.destroy();
  }
}
