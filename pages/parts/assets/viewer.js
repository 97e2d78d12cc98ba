/* The viewer as a Streamlit component: keeps one instance for each place in the page, told of new data by messages. */

const LATE_MS = 400;
const KEEP_BYTES = 400e6; // decoded fields kept beyond those on screen, so that going back is instant

/* Fields by key: each is fetched and traced once. */
class Store {
  constructor() {
    this.entries = new Map();
    this.stop = new AbortController();
  }

  get(spec) {
    let entry = this.entries.get(spec.key);
    if (!entry) {
      entry = { bytes: 0, labelBytes: 0, bitmap: this.bitmap(spec) };
      entry.bitmap.then((bitmap) => { entry.bytes = 4 * bitmap.width * bitmap.height; }, () => this.entries.delete(spec.key));
    }
    if (!entry.cells || entry.version !== spec.labelVersion) {
      const cells = entry.cells = this.newer(entry, spec);
      entry.version = spec.labelVersion;
      cells.then(({ labels }) => { entry.labelBytes = labels ? 2 * labels.byteLength : 0; }, () => { if (entry.cells === cells) entry.cells = null; });
    }
    this.entries.delete(spec.key); // to the end: used last
    this.entries.set(spec.key, entry);
    return entry;
  }

  /* The cells of another version: what is here with the change that the app told, or the whole label image. */
  newer(entry, spec) {
    const { cells, version } = entry, change = spec.labelChange;
    if (!spec.labelImage) return Promise.resolve({});
    if (!cells || !change?.since?.includes(version)) return this.cells(spec);
    return cells.then((before) => changedCells(before, change, spec.reduction), () => this.cells(spec));
  }

  async bitmap(spec) {
    return createImageBitmap(await (await this.fetched(spec.image)).blob());
  }

  async cells(spec) {
    const buffer = await (await this.fetched(spec.labelImage)).arrayBuffer();
    const columns = Math.ceil(spec.width / spec.reduction), rows = Math.ceil(spec.height / spec.reduction);
    const bytes = buffer.byteLength / (columns * rows);
    if (bytes !== 2 && bytes !== 4) throw new Error('the label image has another size than its picture.');
    const labels = bytes === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer);
    return { labels, columns, outlines: traceOutlines(labels, columns, rows, spec.reduction) };
  }

  /* A label image is written while the viewer is told of it: it may be a moment late. */
  async fetched(address, late = 2) {
    let answer;
    try {
      answer = await fetch(address, { signal: this.stop.signal });
    } catch {
      throw new Error('the app does not answer. Is it still running?');
    }
    if (answer.status === 404 && late) {
      await new Promise((go) => { setTimeout(go, LATE_MS); });
      return this.fetched(address, late - 1);
    }
    if (!answer.ok) throw new Error((await answer.text()) || `the app answered ${answer.status}.`);
    return answer;
  }

  /* Let go of the fields used longest ago; those on screen stay. */
  trim(onScreen) {
    let total = [...this.entries.values()].reduce((sum, entry) => sum + entry.bytes + entry.labelBytes, 0);
    for (const [key, entry] of this.entries) {
      if (total <= KEEP_BYTES) return;
      if (onScreen.has(key)) continue;
      total -= entry.bytes + entry.labelBytes;
      this.drop(key, entry);
    }
  }

  drop(key, entry) {
    this.entries.delete(key);
    entry.bitmap.then((bitmap) => bitmap.close(), () => {});
  }

  destroy() {
    this.stop.abort();
    for (const [key, entry] of [...this.entries]) this.drop(key, entry);
  }
}

class Viewer {
  constructor(root) {
    this.store = new Store();
    this.fields = [];
    this.views = new Map(); // where the user looked at each field
    this.hidden = new Set();
    this.outlined = true;
    this.stamp = 0; // counts what makes the outlines of all fields other ones
    this.selected = null;
    this.told = 0; // when the last click was
    this.light = {
      brightness: 1, contrast: 1,
      get filter() { return this.changed ? `brightness(${this.brightness}) contrast(${this.contrast})` : ''; },
      get changed() { return this.brightness !== 1 || this.contrast !== 1; },
    };
    this.toolbar = new Toolbar(this);
    this.grid = element('div', 'grid');
    this.spoken = element('div', 'spoken', { 'aria-live': 'polite' });
    this.node = element('div', 'viewer', {}, this.toolbar.node, this.toolbar.panel, this.grid, this.spoken);
    root.append(this.node);
  }

  show(data) {
    const before = this.data;
    this.data = data;
    // A message that does not know of the last click yet must not undo it.
    if (data.heard >= this.told) this.selected = data.selected;
    if (data.editing && !this.editor) this.edit();
    if (data.tuning && !this.tuner) this.tuner = new Tuner(this, data.tuning);
    if (!before || JSON.stringify(before.legend) !== JSON.stringify(data.legend)) {
      this.hidden.clear();
      this.stamp++;
    }
    this.grid.style.setProperty('--columns', data.columns);
    this.grid.style.setProperty('--height', data.height ? `${data.height}px` : 'auto');
    this.grid.classList.toggle('fixed', Boolean(data.height));
    this.grid.classList.toggle('marking', Boolean(data.marks));
    this.place(data.tiles);
    if (JSON.stringify(before?.marks) !== JSON.stringify(data.marks)) this.fields.forEach((field) => field.paint());
    this.editor?.show(data.editing);
    this.tuner?.show({ ...data.tuning, onScreen: data.tiles });
    this.toolbar.refresh();
    const onScreen = new Set(data.tiles.map((spec) => spec.key));
    data.preload.forEach((spec) => this.store.get(spec));
    this.store.trim(onScreen);
  }

  /* From now on the viewer is a tool to correct outlines. */
  edit() {
    this.editor = new Editor(this);
    this.grid.before(this.editor.panel.bar);
    this.grid.after(this.editor.panel.list);
    this.node.classList.add('editing');
    this.node.addEventListener('keydown', (event) => this.editor.key(event));
  }

  /* Keep the fields that stay, so that a new colour does not load anything. */
  place(specs) {
    const old = new Map(this.fields.map((field) => [field.spec.key, field]));
    const before = this.fields.length, focused = this.editor && (this.node.matches(':focus-within') || document.activeElement === document.body);
    this.fields = specs.map((spec) => {
      const field = old.get(spec.key);
      old.delete(spec.key);
      if (!field) return this.opened(spec);
      field.update(spec);
      return field;
    });
    for (const field of old.values()) field.destroy();
    const nodes = this.fields.map((field) => field.figure);
    if (nodes.some((node, k) => this.grid.children[k] !== node)) this.grid.replaceChildren(...nodes);
    this.grid.classList.toggle('single', specs.length === 1);
    if (focused && (old.size || !before)) this.fields[0]?.stage.focus({ preventScroll: true }); // the keys go on in the next field
  }

  opened(spec) {
    const view = this.views.get(spec.key), field = new Field(this, spec);
    if (view && !view.fit) field.wanted = view;
    return field;
  }

  selectedIn(field) { return this.selected && this.selected[0] === field ? this.selected[1] : 0; }

  choose(field, label, x, y) {
    this.selected = label && !this.data.marks ? [field, label] : null;
    this.spoken.textContent = this.data.marks ? 'Place marked' : label ? `Cell ${label} chosen` : 'No cell chosen';
    this.repaint();
    this.told = Math.max(Date.now(), this.told + 1);
    this.tell('clicked', { fov_id: field, label, x, y, at: this.told });
  }

  /* Cells of each class in all fields on screen; null as long as no outlines have come. */
  counts() {
    const counts = this.data.legend.map(() => 0);
    let known = false;
    for (const field of this.fields) {
      if (!field.outlines) continue;
      known = true;
      field.counts(counts.length).forEach((n, index) => { counts[index] += n; });
    }
    return known ? counts : counts.map(() => null);
  }

  toggleOutlines() {
    this.outlined = !this.outlined;
    this.repaint();
  }

  toggleClass(index) {
    if (!this.hidden.delete(index)) this.hidden.add(index);
    this.stamp++;
    this.repaint();
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.node.requestFullscreen?.().catch(() => {});
  }

  repaint() {
    this.fields.forEach((field) => field.paint());
    this.toolbar.refresh();
  }

  destroy() {
    this.tuner?.destroy();
    this.fields.forEach((field) => field.destroy());
    this.store.destroy();
    this.node.remove();
  }
}

const VIEWERS = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let viewer = VIEWERS.get(parentElement);
  if (!viewer) VIEWERS.set(parentElement, viewer = new Viewer(parentElement));
  viewer.tell = setTriggerValue;
  const call = viewer.calls = (viewer.calls || 0) + 1;
  viewer.show(data);
  return () => {
    // Streamlit also calls this for a message that a newer one has overtaken: then the viewer lives on.
    if (viewer.calls !== call) return;
    VIEWERS.delete(parentElement);
    viewer.destroy();
  };
}
