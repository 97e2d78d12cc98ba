/* The stain of the cells of a field, as the app measured it for every threshold and every smallest stained part. */

const HEAD_BYTES = 16;
const NO_CLASS = 2; // beside 0 not stained, 1 stained: the stain image does not cover the cell

function valueOf(code, { offset, perUnit }) { return offset + code / perUnit; }

/* The largest code whose value is not above the threshold: the same steps as in Python, so the same cells. */
function codeOf(threshold, spec) {
  let code = Math.min(65535, Math.max(-1, Math.floor((threshold - spec.offset) * spec.perUnit)));
  while (code < 65535 && valueOf(code + 1, spec) <= threshold) code++;
  while (code >= 0 && valueOf(code, spec) > threshold) code--;
  return code;
}

class StainedField {
  constructor(spec, buffer, leastCovered) {
    const [cells, parts, bins, codesABin] = new Uint32Array(buffer, 0, 4);
    const ints = new Int32Array(buffer, HEAD_BYTES, (3 + parts) * cells);
    this.spec = spec;
    this.n = cells;
    this.labels = ints.subarray(0, cells);
    const area = ints.subarray(cells, 2 * cells), covered = ints.subarray(2 * cells, 3 * cells);
    this.rows = Array.from({ length: parts }, (_, k) => ints.subarray((3 + k) * cells, (4 + k) * cells));
    this.pixels = new Uint32Array(buffer, HEAD_BYTES + ints.byteLength, bins);
    this.codesABin = codesABin;
    this.seen = Uint8Array.from(area, (all, k) => (all > 0 && covered[k] / all >= leastCovered ? 1 : 0));
    this.known = this.seen.reduce((sum, one) => sum + one, 0);
    this.index = new Map(Array.from(this.labels, (label, k) => [label, k]));
    this.classes = new Uint8Array(cells).fill(NO_CLASS);
    this.positive = 0;
  }

  value(code) { return valueOf(code, this.spec); }

  /* Classes at a threshold and a smallest stained part in per cent; true where one changed. */
  classify(threshold, part) {
    const code = codeOf(threshold, this.spec), row = this.rows[part], { classes, seen } = this;
    let changed = false, positive = 0;
    for (let k = 0; k < this.n; k++) {
      const now = seen[k] ? Number(row[k] > code) : NO_CLASS;
      if (now !== classes[k]) { classes[k] = now; changed = true; }
      positive += now === 1;
    }
    this.positive = positive;
    return changed;
  }

  classOf(label) {
    const k = this.index.get(label);
    return k === undefined ? NO_CLASS : this.classes[k];
  }

  /* How much of the cell is stained, in whole per cent, and where it changes its class: for the tooltip. */
  words(label, threshold, part, shown) {
    const k = this.index.get(label);
    if (k === undefined || !this.seen[k]) return 'the stain image does not cover it';
    const code = codeOf(threshold, this.spec);
    let share = -1;
    while (share < 100 && this.rows[share + 1][k] > code) share++;
    const stained = share < 0 ? 'no stain' : share < 1 ? 'less than 1 % stained' : `${share} % stained`;
    const turn = this.rows[part][k];
    return turn < 0 ? stained : `${stained} · stained below ${shown(this.value(turn))}`;
  }

  /* Values at which the cells with a class change it, rising; never-positive ones come first. */
  turns(part) {
    const row = this.rows[part], out = [];
    for (let k = 0; k < this.n; k++) if (this.seen[k]) out.push(row[k] < 0 ? -Infinity : this.value(row[k]));
    return out;
  }
}

/* The axis of the threshold: a place 0 to 1 on slider and charts for every value, even or logarithmic. */
class Axis {
  constructor({ low, high, log }) { Object.assign(this, { low, high, log }); }

  place(value) {
    const { low, high, log } = this;
    if (log && value <= 0) return 0;
    const at = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    return Math.min(1, Math.max(0, at));
  }

  value(place) {
    const { low, high, log } = this;
    return log ? low * (high / low) ** place : low + (high - low) * place;
  }

  /* Round values for the scale below a chart. */
  ticks() {
    const { low, high, log } = this, out = [];
    if (log && high / low > 8) {
      for (let ten = 10 ** Math.floor(Math.log10(low)); ten <= high; ten *= 10) {
        for (const n of high / low > 300 ? [1] : [1, 2, 5]) if (n * ten >= low && n * ten <= high) out.push(n * ten);
      }
      return out;
    }
    const rough = (high - low) / 4, ten = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].map((n) => n * ten).find((n) => n >= rough);
    for (let n = Math.ceil(low / step); n * step <= high; n++) out.push(n * step);
    return out;
  }
}

function shortNumber(value) { return String(Number(value.toPrecision(4))); }

function percentWords(part, all) {
  if (!all) return '–';
  const share = (100 * part) / all;
  return `${share < 10 && share > 0 ? share.toFixed(1) : Math.round(share)} %`;
}
