/* Pictures of the stain: other images of a field in place of the phase image, and the stain mask above them.
 *
 * The mask is drawn on the pixels of the screen, from a pyramid of maxima: as fast for large fields as for small ones,
 * and a small spot is seen from afar too. */

const MASK = [214, 39, 140, 150]; // red, green, blue, opacity

class StainPictures {
  constructor(tuner) {
    this.tuner = tuner;
    this.bitmaps = new Map(); // "layer key" -> ImageBitmap, or null while it is coming
    this.signals = new Map(); // key -> pyramid, or null while it is coming
    this.masks = new WeakMap(); // field -> its mask as drawn last
  }

  /* The picture to show instead of the phase image; null: not there, or not yet. */
  picture(field, layer) {
    const { spec } = field, key = `${layer} ${spec.key} ${layer === 'signal' ? spec.signalKey : ''}`;
    if (layer === 'phase') return null;
    const known = this.bitmaps.get(key);
    if (known === undefined) {
      this.bitmaps.set(key, null);
      this.load(field, layer, key).catch((problem) => { if (!field.gone) field.say(`The ${layer} picture cannot be shown: ${problem.message}`, true); });
    }
    return known || null;
  }

  async load(field, layer, key) {
    const { spec } = field, { store } = this.tuner.viewer;
    let bitmap;
    if (layer === 'signal') bitmap = await this.shaded(await this.pyramid(spec), this.tuner.described.get(spec.id));
    else if (spec.layers[layer]) bitmap = await createImageBitmap(await (await store.fetched(spec.layers[layer])).blob());
    else return field.say(`No ${layer} picture`);
    this.bitmaps.set(key, bitmap);
    field.paint();
  }

  /* The signal as grey that darkens with the stain, on one scale for all fields. */
  shaded([{ codes, width, height }], { offset, perUnit }) {
    const image = new ImageData(width, height), out = new Uint32Array(image.data.buffer), { low, high, log } = this.tuner.axis;
    const table = new Uint32Array(65536), from = log ? 0 : low;
    for (let code = 0; code < 65536; code++) {
      const t = Math.sqrt(Math.min(1, Math.max(0, (offset + code / perUnit - from) / (high - from))));
      const [r, g, b] = [246 - 236 * t, 246 - 190 * t, 244 - 150 * t];
      table[code] = (255 << 24) | (b << 16) | (g << 8) | r;
    }
    for (let i = 0; i < codes.length; i++) out[i] = table[codes[i]];
    return createImageBitmap(image);
  }

  /* The promise of the levels, which then also stand in its `levels`. */
  pyramid(spec) {
    let coming = this.signals.get(spec.signalKey);
    if (coming) return coming;
    coming = this.fetchLevels(spec).then((levels) => (coming.levels = levels));
    coming.catch(() => this.signals.delete(spec.signalKey)); // another try at the next drawing
    this.signals.set(spec.signalKey, coming);
    return coming;
  }

  async fetchLevels(spec) {
    const codes = new Uint16Array(await (await this.tuner.viewer.store.fetched(spec.signal)).arrayBuffer());
    const levels = [{ codes, width: Math.ceil(spec.width / spec.reduction), height: Math.ceil(spec.height / spec.reduction) }];
    while (Math.max(levels.at(-1).width, levels.at(-1).height) > 128) levels.push(halved(levels.at(-1)));
    return levels;
  }

  /* Draw the mask of a field on `pen`, or begin to fetch it. */
  mask(pen, field, code) {
    const coming = this.pyramid(field.spec);
    if (!coming.levels) {
      if (coming.awaited?.has(field)) return;
      (coming.awaited ||= new Set()).add(field);
      coming.then(() => field.paint(), (problem) => { if (!field.gone) field.say(`The stain mask cannot be shown: ${problem.message}`, true); });
      return;
    }
    const { scale, x, y } = field.view, { width, height } = field.over, stamp = [field.spec.signalKey, code, scale, x, y, width, height].join(' ');
    let drawn = this.masks.get(field);
    if (!drawn) this.masks.set(field, drawn = { canvas: document.createElement('canvas') });
    if (drawn.stamp !== stamp) {
      drawMask(drawn.canvas, coming.levels, field, code);
      drawn.stamp = stamp;
    }
    pen.drawImage(drawn.canvas, 0, 0);
  }

  /* Forget what belongs to fields that are not on screen. */
  trim(specs) {
    const keys = new Set(specs.map((spec) => spec.key)), signals = new Set(specs.map((spec) => spec.signalKey));
    for (const [key, bitmap] of this.bitmaps) {
      if (keys.has(key.split(' ')[1])) continue;
      bitmap?.close();
      this.bitmaps.delete(key);
    }
    for (const key of this.signals.keys()) if (!signals.has(key)) this.signals.delete(key);
  }
}

function halved({ codes, width, height }) {
  const w = Math.ceil(width / 2), h = Math.ceil(height / 2), out = new Uint16Array(w * h);
  for (let y = 0; y < height; y++) {
    for (let x = 0, to = (y >> 1) * w, from = y * width; x < width; x++, from++) {
      const at = to + (x >> 1);
      if (codes[from] > out[at]) out[at] = codes[from];
    }
  }
  return { codes: out, width: w, height: h };
}

function drawMask(canvas, levels, { view, over, spec }, code) {
  const { width, height } = over;
  canvas.width = width;
  canvas.height = height;
  const level = Math.max(0, Math.min(levels.length - 1, Math.floor(Math.log2(1 / (view.scale * spec.reduction)) + 0.01)));
  const { codes, width: columns, height: rows } = levels[level], step = spec.reduction * 2 ** level;
  const image = new ImageData(width, height), out = new Uint32Array(image.data.buffer);
  const [r, g, b, a] = MASK, colour = ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;
  const across = Int32Array.from({ length: width }, (_, x) => {
    const at = Math.floor((x + 0.5 - view.x) / view.scale / step);
    return at >= 0 && at < columns ? at : -1;
  });
  for (let y = 0, to = 0; y < height; y++) {
    const row = Math.floor((y + 0.5 - view.y) / view.scale / step);
    if (row < 0 || row >= rows) { to += width; continue; }
    for (let x = 0, from = row * columns; x < width; x++, to++) if (across[x] >= 0 && codes[from + across[x]] > code) out[to] = colour;
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
}
