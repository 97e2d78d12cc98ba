/* The controls beside the pictures: three sliders, what is proposed and why, comparison, saving. */

const PROPOSED = { best: 'Best', 'negative control': 'Negative control', Otsu: 'Otsu', triangle: 'Triangle', Li: 'Li', stability: 'Most stable' };
const SLIDER_STEPS = 1000;

function range(label, max, step = 1) { return element('input', 'dial', { type: 'range', min: '0', max: String(max), step: String(step), 'aria-label': label }); }

function textButton(words, act, className = 'plain') {
  const node = element('button', className, { type: 'button' }, words);
  node.addEventListener('click', act);
  return node;
}

class TuningPanel {
  constructor(tuner) {
    this.tuner = tuner;
    this.curves = new Curves(tuner);
    this.histogram = new Histogram(tuner);
    this.table = new LinesTable(tuner);
    this.makeControls();
    const { viewer } = tuner;
    this.aside = element('aside', 'tune-panel', { 'aria-label': 'Threshold' }, this.thresholdPart(), this.table.node, this.otherSliders(), this.proposalPart(), this.comparePart(), this.savePart());
    viewer.node.classList.add('tuning');
    viewer.grid.after(this.aside);
    viewer.toolbar.node.querySelector('.tools').prepend(this.layers, element('span', 'gap'));
    this.observer = new ResizeObserver(() => {
      for (const chart of [this.curves, this.histogram]) chart.measure();
      this.redraw();
    });
    this.observer.observe(this.curves.svg);
  }

  makeControls() {
    const { tuner } = this;
    this.threshold = range('Stain threshold', SLIDER_STEPS);
    this.number = element('input', 'number', { type: 'number', step: 'any', 'aria-label': 'Stain threshold, exact value' });
    this.part = range('Smallest stained part of a cell in per cent', 100);
    this.partNumber = element('input', 'number short', { type: 'number', min: '0', max: '100', step: '1', 'aria-label': 'Smallest stained part of a cell in per cent, exact value' });
    this.spot = range('Smallest stain spot', 1);
    this.spotWords = element('output', 'value');
    this.spotHint = element('p', 'quiet small');
    this.threshold.addEventListener('input', () => tuner.set(Number(tuner.axis.value(this.threshold.value / SLIDER_STEPS).toPrecision(4))));
    this.part.addEventListener('input', () => tuner.setPart(Number(this.part.value)));
    this.number.addEventListener('change', () => { if (this.number.value !== '') tuner.set(Number(this.number.value)); tuner.tell(); });
    this.partNumber.addEventListener('change', () => { tuner.setPart(Number(this.partNumber.value)); tuner.tell(); });
    for (const slider of [this.threshold, this.part]) slider.addEventListener('change', () => tuner.tell());
    this.spot.addEventListener('input', () => this.nameSpot());
    this.spot.addEventListener('change', () => tuner.tell({ spot: tuner.data.spots[this.spot.value].key }));
    this.layers = element('div', 'layers', { role: 'group', 'aria-label': 'Picture shown' });
    this.layerButtons = Object.entries(LAYERS).map(([name, words]) => [name, textButton(words, () => tuner.choose(name), 'layer')]);
    this.maskButton = textButton('Stain mask', () => tuner.toggleMask(), 'layer mask');
    this.maskButton.title = 'Pixels above the threshold, in spots that are large enough';
    this.layers.append(...this.layerButtons.map(([, node]) => node), this.maskButton);
  }

  thresholdPart() {
    this.unit = element('span', 'quiet');
    this.loading = element('p', 'quiet small', { role: 'status' });
    return element('section', 'tune-threshold', {}, element('div', 'head', {}, element('b', '', {}, 'Stain threshold'), this.number, this.unit), this.threshold, this.loading, ...this.charts());
  }

  charts() {
    return [element('div', 'small quiet', {}, 'Stained cells at each threshold, by line'), this.curves.svg,
      element('div', 'small quiet', {}, 'Signal of the pixels in cells (log scale; outlined: negative controls)'), this.histogram.svg];
  }

  proposalPart() {
    const { tuner } = this;
    this.chips = element('div', 'proposals', { role: 'group', 'aria-label': 'Proposed thresholds' });
    this.why = element('p', 'small');
    this.allowedBox = element('input', 'number short', { type: 'number', min: '0', max: '50', step: '1', 'aria-label': 'Positive control cells allowed in per cent' });
    this.allowedBox.value = String(tuner.data.start.allowed);
    this.allowedBox.addEventListener('change', () => tuner.tell());
    this.allowedRow = element('label', 'small row', {}, 'Positive control cells allowed', element('span', '', {}, this.allowedBox, ' %'));
    return element('section', '', {}, element('b', '', {}, 'Proposed thresholds'), this.chips, this.why, this.allowedRow);
  }

  otherSliders() {
    const { tuner } = this;
    this.split = element('input', '', { type: 'checkbox' });
    this.split.addEventListener('change', () => tuner.splitLines(this.split.checked));
    this.line = element('select', 'number', { 'aria-label': 'Line whose threshold is moved' });
    this.line.addEventListener('change', () => { tuner.state.line = this.line.value; tuner.move(); });
    this.splitWarning = element('p', 'warning small', {}, 'Every line now has its own threshold: their fractions cannot be compared with each other. Choose this only where staining differed.');
    return element('section', '', {},
      element('div', 'head', {}, element('b', '', {}, 'Smallest stain spot'), this.spotWords), this.spot, this.spotHint,
      element('div', 'head', { title: 'A cell is stained if at least this part of its area is' }, element('b', '', {}, 'Smallest stained part of a cell'), element('span', '', {}, this.partNumber, ' %')), this.part,
      element('label', 'small check', {}, this.split, 'A threshold for every line'), this.line, this.splitWarning);
  }

  comparePart() {
    const { tuner } = this;
    this.rememberButton = textButton('Remember this setting', () => tuner.remember());
    this.swapButton = textButton('Switch', () => tuner.swap());
    this.forgetButton = textButton('Forget', () => tuner.forget());
    this.flips = element('p', 'small', { role: 'status' });
    return element('section', '', {}, element('div', 'row', {}, this.rememberButton, this.swapButton, this.forgetButton), this.flips);
  }

  savePart() {
    this.marker = element('input', 'number wide', { type: 'text', 'aria-label': 'Name of the marker' });
    this.marker.value = this.tuner.data.start.marker;
    this.saveButton = textButton('Save', () => this.tuner.save(), 'primary');
    this.saveHint = element('p', 'small quiet', {}, 'Saving gives every cell of all fields its class. Save again with another threshold at any time: decisions made by hand stay.');
    return element('section', 'tune-save', {}, this.saveHint, element('div', 'row', {}, element('label', 'small row', {}, 'Marker', this.marker), this.saveButton));
  }

  get allowed() { return Math.min(50, Math.max(0, Number(this.allowedBox.value) || 0)); }

  get markerName() { return this.marker.value.trim(); }

  ink(line) { return this.tuner.described && this.isControl(line) ? 'var(--st-text-color)' : INK[this.tuner.lines.indexOf(line) % INK.length]; }

  dash(line) { return this.isControl(line) ? '3 3' : DASHES[Math.floor(this.tuner.lines.indexOf(line) / INK.length) % DASHES.length]; }

  isControl(line) { return this.tuner.data.fields.some((one) => one.sample === line && one.control); }

  // ---- following the state

  /* New data of the app. */
  show() {
    const { tuner } = this, { data } = tuner;
    this.unit.textContent = data.unit;
    this.spot.max = String(data.spots.length - 1);
    if (!data.busy || this.spotOf !== data.id) this.spot.value = String(Math.max(0, data.spots.findIndex((one) => one.key === data.spot)));
    this.spotOf = data.id;
    this.spot.disabled = this.saveButton.disabled = data.busy;
    this.nameSpot();
    this.allowedRow.hidden = !data.fields.some((one) => one.control);
    this.chips.replaceChildren(...data.proposals.map((one) => this.chip(one)));
    this.line.replaceChildren(...tuner.lines.map((line) => element('option', '', { value: line }, line)));
    for (const [name, node] of this.layerButtons) node.hidden = name !== 'phase' && name !== 'signal' && !data.onScreen.some((spec) => spec.layers[name]);
    this.redraw();
  }

  chip(one) {
    const { tuner } = this, node = textButton(`${PROPOSED[one.name] || one.name} ${one.threshold === null ? '–' : shortNumber(one.threshold)}`, () => { tuner.set(one.threshold); tuner.tell(); }, 'chip');
    node.title = one.why;
    node.disabled = one.threshold === null;
    node.dataset.threshold = one.threshold;
    return node;
  }

  nameSpot() {
    const one = this.tuner.data.spots[this.spot.value] || {};
    this.spotWords.textContent = one.words || '';
    this.spotHint.textContent = one.key === this.tuner.data.spot ? '' : one.measured ? 'Measured already: shown at once.' : `Is measured first: ${this.tuner.data.takes}. The pictures stay as they are until then.`;
  }

  arrived() {
    const { stained, failed, data } = this.tuner, all = data.fields.length, got = stained.size;
    this.loading.textContent = got + failed.size < all ? `Loading the stain: ${got} of ${all} fields …` : failed.size ? `${failed.size} of ${all} fields cannot be shown.` : '';
    this.redrawLater();
  }

  redrawLater() { this.later ||= requestAnimationFrame(() => { this.later = 0; this.redraw(); }); }

  redraw() {
    if (!this.tuner.axis) return;
    this.partDrawn = this.tuner.state.part;
    this.curves.redraw();
    this.histogram.redraw();
    this.curves.follow();
    this.histogram.follow();
  }

  /* The setting has moved. */
  follow() {
    const { tuner } = this, { state, data } = tuner, now = tuner.current, active = this.number.getRootNode().activeElement;
    if (this.partDrawn !== state.part) {
      this.partDrawn = state.part;
      this.curves.redraw();
    }
    this.curves.follow();
    this.histogram.follow();
    this.threshold.value = String(Math.round(tuner.axis.place(now) * SLIDER_STEPS));
    this.threshold.setAttribute('aria-valuetext', `${shortNumber(now)} ${data.unit}`);
    if (active !== this.number) this.number.value = shortNumber(now);
    this.part.value = String(state.part);
    if (active !== this.partNumber) this.partNumber.value = String(state.part);
    this.split.checked = tuner.perLine;
    this.line.hidden = this.splitWarning.hidden = !tuner.perLine;
    this.line.value = state.line;
    for (const [name, node] of this.layerButtons) node.setAttribute('aria-pressed', String(name === tuner.layer));
    this.maskButton.setAttribute('aria-pressed', String(tuner.masked));
    for (const node of this.chips.children) node.setAttribute('aria-pressed', String(Number(node.dataset.threshold) === now && !node.disabled));
    const named = data.proposals.find((one) => one.threshold === now), best = data.proposals.find((one) => one.name === 'best');
    setText(this.why, named ? named.why : best ? `${best.threshold === null ? 'No threshold is proposed.' : `Set by hand. Proposed: ${shortNumber(best.threshold)}.`} ${best.why}` : data.problem);
    this.table.follow();
    this.compare();
  }

  compare() {
    const { before } = this.tuner;
    this.swapButton.hidden = this.forgetButton.hidden = !before;
    setText(this.rememberButton, before ? 'Remember this instead' : 'Remember this setting');
    let [gained, lost] = [0, 0];
    if (before) for (const one of this.tuner.stained.values()) for (const [, now] of this.tuner.flipsOf(one)) if (now) gained++; else lost++;
    const words = before ? [gained, lost].join() + this.rememberedWords(before) : '';
    if (this.flipsShown === words) return;
    this.flipsShown = words;
    const many = (number, one, more) => `${number} ${number === 1 ? one : more}`;
    this.flips.replaceChildren(...(before ? [this.rememberedWords(before), this.swatch(1), `${many(gained, 'cell becomes', 'cells become')} stained, `,
      this.swatch(0), `${many(lost, 'no longer is', 'no longer are')}. They are filled, with a white rim, in the pictures.`]
      : ['Then move a slider: cells that change their class are marked and counted.']));
  }

  rememberedWords({ lines, threshold, part, spot }) {
    return `Against ${Object.keys(lines).length ? 'a threshold for every line' : shortNumber(threshold)}, ${part} %, spots of ${spot}: `;
  }

  /* A dot in the colour of a class, before what is said of it. */
  swatch(index) {
    const node = element('i', 'swatch');
    node.style.background = this.tuner.viewer.data.legend[index][1];
    return node;
  }

  destroy() {
    this.observer.disconnect();
    cancelAnimationFrame(this.later);
  }
}

/* Stained cells of every line and of the negative controls, in all fields. */
class LinesTable {
  constructor(tuner) {
    this.tuner = tuner;
    this.body = element('tbody');
    this.shown = [];
    const head = element('tr', '', {}, ...['Line', 'Stained', 'Cells'].map((words) => element('th', '', { scope: 'col' }, words)));
    this.node = element('section', '', {}, element('table', 'lines', {}, element('thead', '', {}, head), this.body));
  }

  follow() {
    const { tuner } = this, rows = tuner.lines.map((line) => this.row(line, (one) => one.spec.sample === line));
    const controls = tuner.data.fields.some((one) => one.control);
    const all = controls ? this.row('', (one) => one.spec.control) : element('tr', '', {}, element('td', 'quiet small', { colspan: '3' }, 'No negative control: nothing says how many unstained cells this threshold would call stained.'));
    const every = [...rows, all];
    every.forEach((node, k) => { // a row that says the same stays
      if (this.shown[k]?.outerHTML === node.outerHTML) return;
      if (this.shown[k]) this.shown[k].replaceWith(node); else this.body.append(node);
      this.shown[k] = node;
    });
    this.shown.splice(every.length).forEach((node) => node.remove());
  }

  row(line, belongs) {
    const { tuner } = this, mine = [...tuner.stained.values()].filter(belongs);
    const sum = (what) => mine.reduce((total, one) => total + what(one), 0), positive = sum((one) => one.positive), known = sum((one) => one.known);
    const swatch = element('i', 'swatch');
    swatch.style.background = line ? tuner.panel.ink(line) : 'transparent';
    const control = line && tuner.panel.isControl(line), over = !line && positive > (tuner.panel.allowed / 100) * known;
    const was = tuner.before ? this.was(mine) : null;
    const share = element('td', '', {}, element('b', '', {}, percentWords(positive, known)), ...(was === null ? [] : [element('span', 'quiet small', {}, ` was ${was}`)]));
    return element('tr', `${line ? '' : 'controls'}${over ? ' over' : ''}`, { 'data-line': line || 'negative controls' },
      element('td', '', {}, ...(line ? [swatch] : []), element('span', '', {}, line || 'All negative controls'), ...(control ? [element('i', 'badge', {}, 'control')] : []), ...(over ? [element('div', 'small', {}, `more than the ${tuner.panel.allowed} % allowed`)] : [])),
      share, element('td', 'quiet', {}, `${positive} / ${known}`));
  }

  was(fields) {
    let [positive, known] = [0, 0];
    for (const one of fields) for (const is of this.tuner.before.classes.get(one.spec.id)?.values() ?? []) { positive += is === 1; known += is !== NO_CLASS; }
    return percentWords(positive, known);
  }
}
