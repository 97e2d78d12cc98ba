/* Charts below the threshold slider, on its scale: the fraction positive of every line, and the signal of the cells' pixels. */

const INK = ['#1FA187', '#C965A0', '#B8962E', '#8A7BD8', '#A0694B', '#6AA84F', '#D0505F', '#5B8FA8'];
const DASHES = ['', '7 3', '2 3', '9 3 2 3'];
const [LEFT, RIGHT, TOP, BOTTOM] = [34, 10, 16, 20];
const SVG = 'http://www.w3.org/2000/svg';

function drawn(tag, attributes = {}, text = '') {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

class Chart {
  constructor(tuner, height, label) {
    this.tuner = tuner;
    this.height = height;
    this.svg = drawn('svg', { class: 'chart', height, role: 'img', 'aria-label': label });
    this.still = drawn('g');
    this.moving = drawn('g');
    this.width = 320;
    this.svg.append(this.still, this.moving);
    this.svg.addEventListener('pointerdown', (event) => { this.svg.setPointerCapture(event.pointerId); this.pull(event); });
    this.svg.addEventListener('pointermove', (event) => { if (event.buttons) this.pull(event); });
    this.svg.addEventListener('pointerup', () => tuner.tell());
  }

  /* The width is asked for when the panel has another size, not at every move: that would lay the page out anew. */
  measure() { this.width = Math.max(120, this.svg.clientWidth || 320); }

  x(value) { return LEFT + this.tuner.axis.place(value) * (this.width - LEFT - RIGHT); }

  y(share) { return TOP + (1 - share) * (this.height - TOP - BOTTOM); }

  pull(event) {
    const at = (event.clientX - this.svg.getBoundingClientRect().left - LEFT) / (this.width - LEFT - RIGHT);
    this.tuner.set(Number(this.tuner.axis.value(Math.min(1, Math.max(0, at))).toPrecision(4)));
  }

  ground(ticks) {
    const parts = [drawn('line', { class: 'axis', x1: LEFT, x2: this.width - RIGHT, y1: this.y(0), y2: this.y(0) })];
    for (const [share, words] of ticks) {
      parts.push(drawn('line', { class: 'grid-line', x1: LEFT, x2: this.width - RIGHT, y1: this.y(share), y2: this.y(share) }));
      parts.push(drawn('text', { x: LEFT - 5, y: this.y(share) + 4, 'text-anchor': 'end' }, words));
    }
    let free = -1e9;
    for (const value of this.tuner.axis.ticks()) {
      const at = this.x(value), words = shortNumber(value), half = 3.2 * words.length;
      if (at - half < free || at + half > this.width) continue;
      free = at + half + 4;
      parts.push(drawn('text', { x: at, y: this.height - 5, 'text-anchor': 'middle' }, words));
    }
    return parts;
  }

  rules(labels) {
    const { tuner } = this, lines = Object.entries(tuner.state.lines);
    const rules = lines.length ? lines.map(([line, value]) => [value, tuner.panel.ink(line)]) : [[tuner.state.threshold, 'currentColor']];
    return [...rules.map(([value, ink]) => drawn('line', { class: 'rule', x1: this.x(value), x2: this.x(value), y1: TOP - (labels ? 4 : 8), y2: this.y(0), stroke: ink }))];
  }
}

/* Fraction positive against threshold, a curve a line: a plateau is where the threshold does not matter. */
class Curves extends Chart {
  constructor(tuner) { super(tuner, 160, 'Fraction of stained cells against the threshold, for every line'); }

  redraw() {
    const { tuner } = this, steps = 160;
    this.curves = tuner.lines.map((line) => {
      const turns = Float64Array.from([...tuner.stained.values()].filter((one) => one.spec.sample === line).flatMap((one) => one.turns(tuner.state.part))).sort();
      return [line, turns];
    }).filter(([, turns]) => turns.length);
    const paths = this.curves.map(([line, turns]) => {
      let d = '';
      for (let k = 0; k <= steps; k++) {
        const value = tuner.axis.value(k / steps);
        d += `${k ? 'L' : 'M'}${this.x(value).toFixed(1)} ${this.y(above(turns, value)).toFixed(1)}`;
      }
      return drawn('path', { class: 'curve', d, stroke: tuner.panel.ink(line), 'stroke-dasharray': tuner.panel.dash(line) });
    });
    this.still.replaceChildren(...this.ground([[0, '0 %'], [0.5, '50 %'], [1, '100 %']]), ...paths, ...this.marks());
  }

  marks() {
    return this.tuner.data.proposals.filter((one) => one.threshold !== null).map(({ name, threshold }) => {
      const x = this.x(threshold), mark = drawn('path', { class: `mark${name === 'best' ? ' best' : ''}`, d: `M${x - 4} ${TOP - 12}h8l-4 7z` });
      mark.append(drawn('title', {}, `${PROPOSED[name] || name}: ${shortNumber(threshold)}`));
      return mark;
    });
  }

  follow() {
    const { tuner } = this;
    const dots = (this.curves || []).map(([line, turns]) => {
      const value = tuner.thresholdOf(line);
      return drawn('circle', { class: 'dot', r: 4, cx: this.x(value), cy: this.y(above(turns, value)), fill: tuner.panel.ink(line) });
    });
    this.moving.replaceChildren(...this.rules(true), ...dots);
  }
}

/* Share of the rising values above one. */
function above(values, value) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] > value) high = middle; else low = middle + 1;
  }
  return (values.length - low) / values.length;
}

/* How many pixels of cells have which signal; those above the threshold are stained. */
class Histogram extends Chart {
  constructor(tuner) { super(tuner, 92, 'Histogram of the stain signal of all pixels in cells'); }

  redraw() {
    const { tuner } = this, wide = 72, sums = this.summed(wide);
    const most = Math.log10(1 + Math.max(1, ...sums.all)), step = (this.width - LEFT - RIGHT) / wide;
    const outline = (bars) => bars.reduce((d, n, k) => `${d}V${this.y(Math.log10(1 + n) / most).toFixed(1)}H${(LEFT + (k + 1) * step).toFixed(1)}`, `M${LEFT} ${this.y(0)}`) + `V${this.y(0)}Z`;
    const area = outline(sums.all);
    this.clip = drawn('rect', { y: 0, height: this.height, width: this.width });
    const clip = drawn('clipPath', { id: 'above-threshold' });
    clip.append(this.clip);
    this.still.replaceChildren(clip, ...this.ground([]), drawn('path', { class: 'bars', d: area }), drawn('path', { class: 'bars stained', d: area, 'clip-path': 'url(#above-threshold)' }),
      ...(sums.control.some(Boolean) ? [drawn('path', { class: 'bars control', d: outline(sums.control) })] : []));
  }

  /* Pixels of all cells and of the controls, in `wide` bars; counted anew only for other fields or another axis. */
  summed(wide) {
    const { tuner } = this, { low, high, log } = tuner.axis, stamp = [tuner.id, tuner.stained.size, low, high, log].join(' ');
    if (this.sums?.stamp === stamp) return this.sums;
    const all = new Float64Array(wide), control = new Float64Array(wide);
    for (const one of tuner.stained.values()) {
      for (let k = 0; k < one.pixels.length; k++) {
        if (!one.pixels[k]) continue;
        const at = Math.min(wide - 1, Math.floor(tuner.axis.place(one.value((k + 0.5) * one.codesABin)) * wide));
        all[at] += one.pixels[k];
        if (one.spec.control) control[at] += one.pixels[k];
      }
    }
    return (this.sums = { stamp, all, control });
  }

  follow() {
    this.clip?.setAttribute('x', this.x(this.tuner.current));
    this.moving.replaceChildren(...this.rules(false));
  }
}
