/* Correcting outlines: what tools and keys do.
 *
 * The app applies every correction and is the truth. Until its label image comes, the browser shows what is to be
 * expected (foresee). Messages are kept and sent again until the app has heard them; their id makes a repeated one harmless. */

const RESEND_MS = 2000;
const SHORTEST_PATH = 3; // image pixels; a shorter one was a click
const DRAWN = { split: false, draw: true, outline: true }; // tools that draw a line; closed ones a polygon

class Editor {
  constructor(viewer) {
    this.viewer = viewer;
    this.client = Math.random().toString(36).slice(2, 10);
    this.tool = 'select';
    this.pending = [];
    this.told = 0;
    this.turned();
    this.panel = new EditingPanel(this);
  }

  get field() { return this.viewer.fields[0]; }

  /* Another field: nothing is chosen or drawn. */
  turned() {
    this.picked = [];
    this.ghosts = [];
    this.path = null;
    this.place = -1; // in the list of suspicious cells
    this.problem = '';
  }

  /* New data of the app. */
  show(data) {
    const id = this.viewer.data.tiles[0]?.id;
    if (this.id !== undefined && this.id !== id) this.turned();
    this.id = id;
    this.data = data;
    this.pending = this.pending.filter((message) => message.at > data.heard && (message.fov_id === id || message.action !== 'turn'));
    if (data.problem && data.heard >= this.told) this.problem = data.problem;
    clearTimeout(this.again);
    if (this.pending.length) this.again = setTimeout(() => this.tell(), RESEND_MS);
    this.panel.refresh();
  }

  /* The label image of the app has come: what was foreseen is replaced by what is, except what the app has not heard yet. */
  arrived() {
    this.ghosts = [];
    for (const message of this.pending) if (message.fov_id === this.id) foresee(this, message);
    this.picked = this.picked.filter((label) => this.field.outlines.has(label));
    this.panel.refresh();
  }

  choose(tool) {
    this.tool = tool;
    this.path = null;
    this.problem = '';
    this.refresh();
  }

  pick(labels) {
    this.picked = labels;
    const at = this.data.suspects.findIndex(([label]) => label === labels[0]);
    if (at >= 0) this.place = at;
    this.viewer.spoken.textContent = labels.length ? `Cell ${labels.join(', ')} chosen` : 'No cell chosen';
    this.refresh();
  }

  refresh() {
    this.panel.refresh();
    this.field?.paint();
  }

  // ---- pointer

  click(label, event) {
    this.problem = '';
    const more = event.shiftKey || event.ctrlKey || event.metaKey;
    if (this.tool === 'remove') return label ? this.send('remove', [label]) : this.refresh();
    if (this.tool === 'merge' && label && this.picked.length && !this.picked.includes(label)) return this.merge([...this.picked, label]);
    if (more && label) return this.pick(this.picked.includes(label) ? this.picked.filter((one) => one !== label) : [...this.picked, label]);
    return this.pick(label ? [label] : []);
  }

  /* A pointer went down: with a drawing tool a line begins. A second finger ends it: the two of them zoom. */
  begin(drag, x, y) {
    this.path = this.tool in DRAWN && !drag.far ? [[x, y]] : null;
    drag.path = this.path;
  }

  extend(x, y) {
    if (!this.path) return; // given up by Escape
    const last = this.path.at(-1);
    if (Math.hypot(x - last[0], y - last[1]) >= 0.5) this.path.push([x, y]);
    this.field.paint();
  }

  finish() {
    if (!this.path) return;
    const points = this.path.map((point) => point.map((value) => Math.round(value * 10) / 10));
    this.path = null;
    const length = points.reduce((sum, [x, y], k) => sum + (k ? Math.hypot(x - points[k - 1][0], y - points[k - 1][1]) : 0), 0);
    if (length < SHORTEST_PATH) this.refresh();
    else if (this.tool === 'draw') this.send('draw', [], points);
    else this.shape(points);
  }

  /* A line or an outline for a cell that is there. */
  shape(points) {
    const label = this.tool === 'split' ? this.crossed(points) : this.picked[0] || this.middle(points);
    if (label) this.send(this.tool, [label], points);
    else this.complain(this.tool === 'split' ? 'The line crosses no cell.' : 'Click the cell first, then draw its outline anew.');
  }

  /* The cell that a line is meant for: a chosen one that it crosses, else the one under most of it. */
  crossed(points) {
    const under = new Map();
    points.slice(1).forEach(([x, y], k) => {
      const [px, py] = points[k], steps = Math.max(1, Math.ceil(Math.hypot(x - px, y - py)));
      for (let s = 0; s <= steps; s++) {
        const label = this.field.labelAt(px + ((x - px) * s) / steps, py + ((y - py) * s) / steps);
        if (label) under.set(label, (under.get(label) || 0) + 1);
      }
    });
    const chosen = this.picked.find((label) => under.has(label));
    return chosen || [...under].sort((a, b) => b[1] - a[1])[0]?.[0];
  }

  middle(points) {
    const mean = (k) => points.reduce((sum, point) => sum + point[k], 0) / points.length;
    return this.field.labelAt(mean(0), mean(1));
  }

  complain(text) {
    this.problem = text;
    this.refresh();
  }

  // ---- messages

  send(action, labels = [], points = []) {
    this.told = Math.max(Date.now(), this.told + 1);
    const message = { at: this.told, id: `${this.client}-${this.told}`, fov_id: this.id, action, labels, points };
    this.pending.push(message);
    this.problem = '';
    if (this.field?.outlines) foresee(this, message);
    this.tell();
    this.viewer.repaint();
    this.panel.refresh();
  }

  tell() {
    if (this.pending.length) this.viewer.tell('edited', { messages: this.pending });
  }

  merge(labels) {
    this.picked = [Math.min(...labels)];
    this.send('merge', labels);
  }

  removePicked() {
    const labels = this.picked;
    this.picked = [];
    for (const label of labels) this.send('remove', [label]);
  }

  undo() { this.data.undo || this.pending.length ? this.send('undo') : this.complain('There is nothing to undo.'); }

  redo() { this.data.redo || this.pending.length ? this.send('redo') : this.complain('There is nothing to redo.'); }

  turn(by) {
    if (by < 0 ? this.data.first : this.data.last) this.complain(by < 0 ? 'This is the first field.' : 'This is the last field.');
    else this.send('turn', [], [[by, 0]]);
  }

  /* The next suspicious cell; one that was removed or corrected gives its place to the one that follows. */
  step(by) {
    const all = this.data.suspects.map(([label]) => label).filter((label) => this.field?.outlines?.has(label));
    if (!all.length) return this.complain('No suspicious cell in this field.');
    const now = all.indexOf(this.picked[0]), from = now >= 0 ? now + by : by > 0 ? Math.max(this.place, 0) : this.place - 1;
    if (from >= all.length && now >= 0) return this.complain('That was the last suspicious cell of this field.');
    const at = Math.min(Math.max(from, 0), all.length - 1);
    this.problem = '';
    this.pick([all[at]]);
    this.field.reveal(this.field.outlines.get(all[at]));
  }

  escape() {
    if (this.path) this.path = null;
    else if (this.tool !== 'select') this.tool = 'select';
    else this.picked = [];
    this.problem = '';
    this.refresh();
  }

  /* True where the key was ours. */
  key(event) {
    const name = event.key.toLowerCase();
    if (event.altKey || event.target.closest?.('input')) return false;
    const command = event.ctrlKey || event.metaKey;
    const act = command
      ? { z: () => (event.shiftKey ? this.redo() : this.undo()), y: () => this.redo() }[name]
      : {
        x: () => (this.picked.length ? this.removePicked() : this.choose('remove')),
        m: () => (this.picked.length > 1 ? this.merge(this.picked) : this.choose('merge')),
        s: () => this.choose('split'), d: () => this.choose('draw'), e: () => this.choose('outline'),
        z: () => this.undo(), y: () => this.redo(), n: () => this.step(1), p: () => this.step(-1), escape: () => this.escape(),
        arrowleft: event.shiftKey ? null : () => this.turn(-1), arrowright: event.shiftKey ? null : () => this.turn(1),
      }[{ delete: 'x', backspace: 'x' }[name] || name];
    if (!act) return false;
    event.preventDefault();
    event.stopPropagation();
    act();
    return true;
  }

  // ---- picture

  paint(pen, field) {
    const { scale, x, y } = field.view, u = field.ratio;
    const cells = this.picked.map((label) => field.outlines?.get(label)).filter(Boolean);
    for (const cell of cells) {
      field.stroke(pen, [cell], '#ffffff', 5.5 * u);
      field.stroke(pen, [cell], this.viewer.data.legend[field.classOf(cell.label)][1], 2.5 * u);
    }
    const lines = this.path ? [...this.ghosts, { points: this.path, closed: DRAWN[this.tool] }] : this.ghosts;
    for (const { points, closed } of lines) {
      pen.beginPath();
      points.forEach((point, k) => pen[k ? 'lineTo' : 'moveTo'](point[0] * scale + x, point[1] * scale + y));
      if (closed) pen.closePath();
      for (const [colour, width] of [['rgba(0,0,0,.7)', 4.5 * u], ['#ffffff', 2 * u]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = width;
        pen.stroke();
      }
    }
  }
}
